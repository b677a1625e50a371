"""Figures that others have published, shown beside ours where the test set is the same."""

from __future__ import annotations

from collections.abc import Iterable

from facetrust.records import Record


class Published(Record):
    """A method's published figures (shares in [0, 1]) on a data set, and under which rules."""

    data: str
    method: str
    setting: str
    figures: dict[str, float]
    source: str


_FLIP = "Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023), protocol 1"
_NAMES = ("hter", "auc", "tpr@fpr=1% (live)")
_PERCENT = {
    ("msu-mfsd", "trained on OULU, CASIA, Idiap"): {
        "FLIP-V": (3.79, 99.31, 87.99),
        "FLIP-IT": (5.27, 98.41, 79.33),
        "FLIP-MCL": (4.95, 98.11, 74.67),
    },
    ("casia-fasd", "trained on OULU, MSU, Idiap"): {
        "FLIP-V": (1.27, 99.75, 95.85),
        "FLIP-IT": (0.44, 99.98, 99.86),
        "FLIP-MCL": (0.54, 99.98, 100.00),
    },
    ("replay-attack", "trained on OULU, CASIA, MSU"): {
        "FLIP-V": (4.71, 98.80, 75.84),
        "FLIP-IT": (2.94, 99.42, 84.62),
        "FLIP-MCL": (4.25, 99.07, 84.62),
    },
    ("oulu-npu", "trained on Idiap, CASIA, MSU"): {
        "FLIP-V": (4.15, 98.76, 66.47),
        "FLIP-IT": (3.61, 99.15, 84.76),
        "FLIP-MCL": (2.31, 99.63, 92.28),
    },
}
_PUBLISHED = tuple(
    Published(
        data=data,
        method=method,
        setting=f"{trained}; video scores; threshold and checkpoint chosen on test, live counted as positive",
        figures={name: value / 100 for name, value in zip(_NAMES, percent, strict=True)},
        source=_FLIP,
    )
    for (data, trained), methods in _PERCENT.items()
    for method, percent in methods.items()
)


def published_for(domains: Iterable[str | None]) -> tuple[Published, ...]:
    """Returns the published figures on the data sets that `domains` name; often none are known."""
    names = {name.lower() for name in domains if name}
    return tuple(each for each in _PUBLISHED if each.data in names)
