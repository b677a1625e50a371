"""CelebAMask-HQ: aligned faces of celebrities, each pixel in one of 19 classes (Lee et al., CVPR 2020).

Two layouts are read. The official one has `CelebA-HQ-img/<n>.jpg`, a black and white picture per class
that occurs, `CelebAMask-HQ-mask-anno/<n // 2000>/<n, five digits>_<class>.png`, and
`CelebA-HQ-to-CelebA-mapping.txt`. The merged one has one mask of class indices per picture, `manifest.csv`
with path, mask and split, and `classes.csv` with index and name. Left and right are the person's own.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from facetrust.data.sources._files import file_at, folder_at, pictures
from facetrust.data.sources._masks import grey, merged_at
from facetrust.data.splits import check_split
from facetrust.errors import ManifestError
from facetrust.imaging import Pixels
from facetrust.records import Sample, Split

CLASSES = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
_HOLDS = "CelebA-HQ-img and CelebAMask-HQ-mask-anno of CelebAMask-HQ, or images, masks and manifest.csv"
_MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
_PER_FOLDER, _HALF = 2000, 127
_FIRST_DEV, _FIRST_TEST = 162771, 182638  # CelebA's official split, by the index of its pictures.


def celebamask_hq(root: Path, *, seed: int = 0, merged: str = "merged-masks") -> list[Sample]:
    """Returns the pictures by path, label 0, with masks of `CLASSES` and the split that the set fixes.

    In the official layout the split is that of the CelebA picture that each was made from, and the masks
    of a picture are merged in the order of `CLASSES`, later classes over earlier ones, at the picture's
    size. Merged masks that are there already are kept.

    Args:
        root: the set's folder.
        seed: not used; the split is fixed.
        merged: folder below `root` that merged masks are written to; official layout only.

    Raises:
        ManifestError: a file is missing or cannot be used, or a list names classes in another order.
    """
    root = folder_at(root, _HOLDS)
    if (root / "classes.csv").is_file() or (root / "manifest.csv").is_file():
        return _merged(root)
    places = _mapping(root / _MAPPING)
    found = pictures(root / "CelebA-HQ-img") if (root / "CelebA-HQ-img").is_dir() else []
    if not found:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    rows = [_official(path, root, places, root / merged) for path in found]
    return sorted(rows, key=lambda sample: sample.path)


def merged_mask(parts: Path, number: int, size: tuple[int, int]) -> Pixels:
    """Returns the mask (H, W) uint8 of one picture, its classes painted in the order of `CLASSES`.

    Args:
        parts: the folder of the official black and white pictures.
        number: of the picture.
        size: (height, width) of the mask; the parts are enlarged without mixing.

    Raises:
        ManifestError: the picture has no part at all, or a part cannot be read.
    """
    mask = np.zeros(size, np.uint8)
    known = 0
    for index, name in enumerate(CLASSES):
        file = parts / str(number // _PER_FOLDER) / f"{number:05d}_{name}.png"
        if index and file.is_file():
            part = cv2.resize(grey(file), size[::-1], interpolation=cv2.INTER_NEAREST)
            mask[part > _HALF] = index
            known += 1
    if not known:
        where = parts / str(number // _PER_FOLDER) / f"{number:05d}_skin.png"
        raise ManifestError(f"{where}: no mask of picture {number} is there; unpack the data set again")
    return mask


def split_of(index: int) -> Split:
    """Returns the split of the CelebA picture with an index."""
    return "train" if index < _FIRST_DEV else "dev" if index < _FIRST_TEST else "test"


def _official(path: Path, root: Path, places: dict[int, int], folder: Path) -> Sample:
    if not path.stem.isdecimal() or (number := int(path.stem)) not in places:
        raise ManifestError(f"{path}: is not named in {_MAPPING}; unpack the data set again")
    parts = root / "CelebAMask-HQ-mask-anno"
    mask = merged_at(folder / f"{number}.png", path, partial(merged_mask, parts, number))
    where, there = (file.relative_to(root).as_posix() for file in (path, mask))
    return _sample(where, there, split_of(places[number]))


def _mapping(path: Path) -> dict[int, int]:
    """CelebA's index of each picture's number."""
    rows = [line.split() for line in file_at(path, "the list of the pictures").read_text().splitlines()]
    try:
        return {int(row[0]): int(row[1]) for row in rows[1:] if row}
    except (ValueError, IndexError):
        raise ManifestError(f"{path}: needs idx, orig_idx and orig_file in each line") from None


def _merged(root: Path) -> list[Sample]:
    listed = _rows(file_at(root / "classes.csv", "the list of the classes"), "index", "name")
    names = [row["name"] for row in sorted(listed, key=lambda row: int(row["index"]))]
    if tuple(names) != CLASSES:
        raise ManifestError(f"{root / 'classes.csv'}: its classes are not CelebAMask-HQ's in their order")
    rows = []
    manifest = root / "manifest.csv"
    for row in _rows(file_at(manifest, "the list of the pictures"), "path", "mask", "split"):
        check_split(row["split"])
        for name in ("path", "mask"):
            file_at(root / row[name], "a picture of the list")
        rows.append(_sample(row["path"], row["mask"], row["split"]))  # type: ignore[arg-type]
    if not rows:
        raise ManifestError(f"{manifest}: holds no pictures; unpack the data set again")
    return sorted(rows, key=lambda sample: sample.path)


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and not set(columns) <= set(rows[0]):
        raise ManifestError(f"{path}: needs the columns {', '.join(columns)}")
    return rows


def _sample(path: str, mask: str, split: Split) -> Sample:
    return Sample(path=path, label=0, split=split, domain="celebamask-hq", mask=mask)
