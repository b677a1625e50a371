"""CelebA-Spoof: photos of celebrities and ten kinds of attack with them (Zhang et al., ECCV 2020).

Read is the official layout: `metas/intra_test/{train,test}_label.json`, which give 44 numbers of
each picture, and `Data/{train,test}/<person>/{live,spoof}/<number>.{png,jpg}`, each with its face's
box in `<number>_BB.txt`. Left out: the lists of the other protocols and all attributes but the kind
of spoof. Whether a person's number is CelebA's was not verified.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from facetrust.data.sources._files import file_at, folder_at, json_at
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Box, Sample, Split

_HOLDS = "Data and metas of CelebA-Spoof"
_SPECIES = {
    0: None, 1: "photo", 2: "poster", 3: "A4 print", 4: "face mask", 5: "upper body mask",
    6: "region mask", 7: "PC", 8: "pad", 9: "phone", 10: "3D mask",
}  # fmt: skip
_KIND, _LABEL, _NUMBERS = 40, 43, 44
_GRID = 224  # Boxes are given as if every picture were 224 x 224.
_SHARES: dict[Split, float] = {"train": 0.85, "dev": 0.15}
_ORIENTATION = 0x0112


def celeba_spoof(root: Path, *, seed: int = 0, need_boxes: bool = False) -> list[Sample]:
    """Returns the pictures of the two lists by path, with face boxes in pixels.

    The official test list is test; the train list is parted by persons into train and dev, 85 to 15 %.
    Boxes are cut to the picture. A row has no box where the box file is missing, damaged or outside
    the picture, or the picture cannot be read. Pictures are single, so rows have no media.

    Args:
        root: the folder that holds Data and metas.
        seed: seed of the split of the train list.
        need_boxes: whether a missing box file is an error.

    Raises:
        ManifestError: the folder, a list, a picture or (if needed) a box file is missing, a list cannot be
            used, or a person is in both lists.
    """
    root = folder_at(root, _HOLDS)
    train, test = (_listed(root, split, need_boxes=need_boxes) for split in ("train", "test"))
    if both := {row.subject for row in train} & {row.subject for row in test}:
        raise ManifestError(f"{root}: {min(map(str, both))} is in both lists; unpack metas again")
    rows = chain(assign(train, seed=seed, shares=_SHARES), test)
    return sorted(rows, key=lambda sample: sample.path)


def _listed(root: Path, split: Split, *, need_boxes: bool) -> list[Sample]:
    listed = root / "metas" / "intra_test" / f"{split}_label.json"
    rows = json_at(listed, f"the list of {split} pictures")
    if not isinstance(rows, dict) or not rows:
        raise ManifestError(f"{listed}: names no pictures; unpack the data set again")
    return [
        _sample(path, rows[path], split, f"{listed}: {path}", _box(root / path, needed=need_boxes))
        for path in sorted(rows)
    ]


def _sample(path: str, numbers: Any, split: Split, where: str, box: Box | None) -> Sample:
    parts = path.split("/")
    if len(parts) != 5:
        raise ManifestError(f"{where}: is not Data/{split}/<person>/<live or spoof>/<picture>")
    try:
        if len(numbers) != _NUMBERS:
            raise ValueError(numbers)
        label, species = (0, 1).index(numbers[_LABEL]), _SPECIES[numbers[_KIND]]
    except (TypeError, ValueError, KeyError):
        raise ManifestError(f"{where}: needs 44 numbers, the 41st 0 to 10, the last 0 or 1") from None
    return Sample(
        path=path,
        label=label,
        split=split,
        subject=f"celeba-spoof-{parts[2]}",
        domain="celeba-spoof",
        attack=species if label else None,
        **dict(zip("xywh", box, strict=True)) if box else {},
    )


def _box(picture: Path, *, needed: bool) -> Box | None:
    """The box in pixels, cut to the picture; as few calls to the disk as will do, for there are many."""
    noted = picture.with_name(f"{picture.stem}_BB.txt")
    try:
        line = noted.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        file_at(noted if needed else picture, "a picture's box" if needed else "a picture of the lists")
        return None
    size = _size(picture)
    try:
        x, y, w, h = (float(side) / _GRID for side in line.split()[:4])
    except ValueError:
        return None
    if size is None:
        return None
    left, right = (min(max(side, 0.0), 1.0) * size[0] for side in (x, x + w))
    top, bottom = (min(max(side, 0.0), 1.0) * size[1] for side in (y, y + h))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _size(picture: Path) -> tuple[int, int] | None:
    """Width and height of the upright picture from its header, or none if that cannot be read."""
    try:
        with Image.open(picture) as image:
            # Asked of JPEG only: for PNG the tag may lie behind the pixels, and all would be decoded.
            turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= 5
            return image.size[::-1] if turned else image.size
    except FileNotFoundError:
        raise ManifestError(
            f"{picture}: a picture of the lists is missing; unpack the data set again"
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
