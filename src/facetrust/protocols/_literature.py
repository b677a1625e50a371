"""Figures that others have published, shown beside ours where the test set is the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from facetrust.records import Record


class Published(Record):
    """A method's published figures (shares in [0, 1]) on a data set, and under which rules."""

    data: str
    method: str
    setting: str
    figures: dict[str, float]
    source: str


_FLIP = "Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023)"
_FIGURES = ("hter", "auc", "tpr@fpr=1% (live)")
_RULES = "video scores; threshold and checkpoint chosen on test, live counted as positive"
_MCIO = {
    "M": ("msu-mfsd", "MSU"),
    "C": ("casia-fasd", "CASIA"),
    "I": ("replay-attack", "Idiap"),
    "O": ("oulu-npu", "OULU"),
}
_WCS = {"W": ("wmca", "WMCA"), "C": ("casia-cefa", "CeFA"), "S": ("casia-surf", "SURF")}

# Each line a method, each cell a round: HTER/AUC/TPR@FPR=1% in percent, as far as they are printed.
_PROTOCOL_1 = """
OCI-M                | OMI-C             | OCM-I             | ICM-O
ViT                  | 1.58/99.68/96.67  | 5.70/98.91/88.57  | 9.25/97.15/51.54  | 7.47/98.42/69.30
ViT, 5 shots         | 3.42/98.60/95.00  | 1.98/99.75/94.00  | 2.31/99.75/87.69  | 7.34/97.77/66.90
ViTAF*, 5 shots      | 2.92/99.62/91.66  | 1.40/99.92/98.57  | 1.64/99.64/91.53  | 5.39/98.67/76.05
FLIP-V               | 3.79/99.31/87.99  | 1.27/99.75/95.85  | 4.71/98.80/75.84  | 4.15/98.76/66.47
FLIP-IT              | 5.27/98.41/79.33  | 0.44/99.98/99.86  | 2.94/99.42/84.62  | 3.61/99.15/84.76
FLIP-MCL             | 4.95/98.11/74.67  | 0.54/99.98/100.00 | 4.25/99.07/84.62  | 2.31/99.63/92.28
"""
_QUOTED = """
OCI-M    | OMI-C       | OCM-I       | ICM-O
MADDG    | 17.69/88.06 | 24.50/84.51 | 22.19/84.99 | 27.98/80.02
MDDR     | 17.02/90.10 | 19.68/87.43 | 20.87/86.72 | 25.02/81.47
NAS-FAS  | 16.85/90.42 | 15.21/92.64 | 11.63/96.98 | 13.16/94.18
RFMeta   | 13.89/93.98 | 20.27/88.16 | 17.30/90.48 | 16.45/91.16
D2AM     | 12.70/95.66 | 20.98/85.58 | 15.43/91.22 | 15.27/90.87
DRDG     | 12.43/95.81 | 19.05/88.79 | 15.56/91.79 | 15.63/91.75
Self-DA  | 15.40/91.80 | 24.50/84.40 | 15.60/90.10 | 23.10/84.30
ANRL     | 10.83/96.75 | 17.85/89.26 | 16.03/91.04 | 15.67/91.90
FGHV     | 9.17/96.92  | 12.47/93.47 | 16.29/90.11 | 13.58/93.55
SSDG-R   | 7.38/97.17  | 10.44/95.94 | 11.71/96.59 | 15.61/91.54
SSAN-R   | 6.67/98.75  | 10.00/96.67 | 8.88/96.79  | 13.72/93.63
PatchNet | 7.10/98.46  | 11.33/94.58 | 13.40/95.67 | 11.82/95.07
GDA      | 9.20/98.00  | 12.20/93.00 | 10.00/96.00 | 14.40/92.60
DiVT-M   | 2.86/99.14  | 8.67/96.62  | 3.71/99.29  | 13.06/94.04
"""
_PROTOCOL_2 = """
CS-W            | SW-C              | CW-S
ViT             | 7.98/97.97/73.61  | 11.13/95.46/47.59 | 13.35/94.13/49.97
ViT, 5 shots    | 4.30/99.16/83.55  | 7.69/97.66/68.33  | 12.26/94.40/42.59
ViTAF*, 5 shots | 2.91/99.71/92.65  | 6.00/98.55/78.56  | 11.60/95.03/60.12
FLIP-V          | 6.13/97.84/50.26  | 10.89/95.82/53.93 | 12.48/94.43/53.00
FLIP-IT         | 4.89/98.65/59.14  | 10.04/96.48/59.4  | 15.68/91.83/43.27
FLIP-MCL        | 4.46/99.16/83.86  | 9.66/96.69/59.00  | 11.71/95.21/57.98
"""
_PROTOCOL_3 = """
C-I | C-M | C-O | I-C | I-M | I-O | M-C | M-I | M-O | O-C | O-I | O-M
FLIP-V   | 15.08 | 13.73 | 12.34 | 4.30 | 9.68 | 7.87 | 0.56 | 3.96 | 4.79 | 2.09 | 5.01 | 6.00
FLIP-IT  | 12.33 | 15.18 | 7.98  | 1.12 | 8.37 | 6.98 | 0.19 | 5.21 | 4.96 | 0.16 | 4.27 | 5.63
FLIP-MCL | 10.57 | 7.15  | 3.91  | 0.68 | 7.22 | 4.22 | 0.19 | 5.88 | 3.95 | 0.19 | 5.69 | 8.40
"""


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|")]


def _read(
    table: str, sets: Mapping[str, tuple[str, str]], *, protocol: int, quoted: bool = False
) -> Iterator[Published]:
    """Yields the figures of a table whose first line names the rounds, as sources-target by letter."""
    head, *lines = table.strip().splitlines()
    for line in lines:
        method, *cells = _cells(line)
        shots = ["5 live and 5 attack videos of the test set"] if "shots" in method else []
        for (sources, _, target), cell in zip(
            (each.partition("-") for each in _cells(head)), cells, strict=True
        ):
            further = [] if quoted else ["CelebA-Spoof", *shots]
            trained = "trained on " + ", ".join([*(sets[letter][1] for letter in sources), *further])
            yield Published(
                data=sets[target][0],
                method=method,
                setting=f"{trained}; {'as its authors report it' if quoted else _RULES}",
                figures={
                    name: float(each) / 100 for name, each in zip(_FIGURES, cell.split("/"), strict=False)
                },
                source=f"{_FLIP}, protocol {protocol}" + (", quoting others" if quoted else ""),
            )


_PUBLISHED = (
    *_read(_PROTOCOL_1, _MCIO, protocol=1),
    *_read(_QUOTED, _MCIO, protocol=1, quoted=True),
    *_read(_PROTOCOL_2, _WCS, protocol=2),
    *_read(_PROTOCOL_3, _MCIO, protocol=3),
)


def published_for(domains: Iterable[str | None]) -> tuple[Published, ...]:
    """Returns the published figures on the data sets that `domains` name; often none are known."""
    names = {name.lower() for name in domains if name}
    return tuple(each for each in _PUBLISHED if each.data in names)
