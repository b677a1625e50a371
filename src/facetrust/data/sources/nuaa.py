"""NUAA Imposter: live people and printed photos of them before a webcam (Tan et al., ECCV 2010)."""

from __future__ import annotations

import csv
from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.targets import label_number
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "live/, spoof/ and manifest.csv of NUAA"
_SPLITS: dict[str, Split] = {"train": "train", "val": "dev", "dev": "dev", "test": "test"}
_COLUMNS = ("path", "label", "subject", "session", "split_subject_disjoint", "x", "y", "w", "h")


def nuaa(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the rows of `manifest.csv` in its order, with face boxes, split by subject as it says.

    The official lists share subjects between train and test and are not used. A media is what one
    person showed, live or in print, in one sitting.

    Args:
        root: the folder of `manifest.csv`.
        seed: not used; the split is fixed.

    Raises:
        ManifestError: the folder, the list or a picture is missing, or a row cannot be used.
    """
    root = folder_at(root, _HOLDS)
    listed = file_at(root / "manifest.csv", "the list of pictures, boxes and splits")
    with listed.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise ManifestError(f"{listed}: lacks the column {missing[0]!r}; needed: {', '.join(_COLUMNS)}")
        samples = [_sample(row, f"{listed}: row {number}") for number, row in enumerate(reader, start=1)]
    if not samples:
        raise ManifestError(f"{listed}: has no rows")
    for sample in samples:
        file_at(root / sample.path, f"a picture that {listed.name} names")
    return samples


def _sample(row: dict[str, str], where: str) -> Sample:
    try:
        label = label_number(row["label"])
        return Sample(
            path=row["path"],
            label=label,
            split=_SPLITS[row["split_subject_disjoint"]],
            subject=f"nuaa-{row['subject']}",
            domain="nuaa",
            attack="print" if label else None,
            media=f"nuaa-{row['label']}-{row['subject']}-{row['session']}",
            frame=int(Path(row["path"]).stem.rsplit("_", 1)[-1]),
            x=float(row["x"]),
            y=float(row["y"]),
            w=float(row["w"]),
            h=float(row["h"]),
        )
    except ManifestError as error:
        raise ManifestError(f"{where}: {error}") from None
    except KeyError as error:
        raise ManifestError(f"{where}: split {error} is not one of {', '.join(_SPLITS)}") from None
    except (TypeError, ValueError):
        raise ManifestError(f"{where}: the box or the frame number is not a number") from None
