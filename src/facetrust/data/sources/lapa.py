"""LaPa: faces of the web under many poses and occlusions, 11 classes (Liu et al., AAAI 2020).

Read is the official layout: `{train,val,test}/images/<name>.jpg` and `labels/<name>.png`, class indices.
Class names are CelebAMask-HQ's where the part is the same; here the skin includes the ears, and there is no
neck. Whether left is the person's or the picture's was not verified.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at, pictures
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

CLASSES = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "u_lip", "mouth", "l_lip", "hair",
)  # fmt: skip
_HOLDS = "train, val and test of LaPa"
_PARTS: dict[str, Split] = {"train": "train", "val": "dev", "test": "test"}


def lapa(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the pictures by path, label 0, with masks of `CLASSES` and the official split.

    Args:
        root: the folder that holds train, val and test.
        seed: not used; the split is fixed.

    Raises:
        ManifestError: the folder, all pictures or the mask of a picture are missing.
    """
    root = folder_at(root, _HOLDS)
    rows = []
    for part, split in _PARTS.items():
        folder = root / part
        for path in pictures(folder / "images") if (folder / "images").is_dir() else ():
            mask = file_at(folder / "labels" / f"{path.stem}.png", "a mask")
            where, there = (file.relative_to(root).as_posix() for file in (path, mask))
            rows.append(Sample(path=where, label=0, split=split, domain="lapa", mask=there))
    if not rows:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    return sorted(rows, key=lambda sample: sample.path)
