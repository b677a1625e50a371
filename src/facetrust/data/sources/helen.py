"""Helen with masks: portraits of the web in 11 classes (Le et al., 2012; masks by Smith et al., CVPR 2013).

Read is the layout of `SmithCVPR2013_dataset_resized`: `images/<name>.jpg`; of each class a picture of its
degree at every pixel, `labels/<name>/<name>_lbl00.png` to `_lbl10.png`; and the lists `exemplars.txt`
(train), `tuning.txt` (dev) and `testing.txt` (test), a number and a name per line. Class names are
CelebAMask-HQ's where the part is the same. Whether left is the person's was not verified.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.sources._masks import grey, merged_at
from facetrust.errors import ManifestError
from facetrust.imaging import Pixels
from facetrust.records import Sample, Split

CLASSES = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "u_lip", "mouth", "l_lip", "hair",
)  # fmt: skip
_HOLDS = "images, labels, exemplars.txt, tuning.txt and testing.txt of Helen"
_LISTS: dict[str, Split] = {"exemplars.txt": "train", "tuning.txt": "dev", "testing.txt": "test"}
_LINE = re.compile(r"\s*\d+\s*,\s*(\S+)\s*")


def helen(root: Path, *, seed: int = 0, merged: str = "merged-masks") -> list[Sample]:
    """Returns the pictures of the lists by path, label 0, with masks of `CLASSES` and the official split.

    A pixel has the class of the highest degree, the first of equals. Merged masks that are there are kept.

    Args:
        root: the folder that holds images, labels and the lists.
        seed: not used; the split is fixed.
        merged: folder below `root` that merged masks are written to.

    Raises:
        ManifestError: a list, or a picture or part that a list names, is missing or cannot be read.
    """
    root = folder_at(root, _HOLDS)
    rows = []
    for listed, split in _LISTS.items():
        lines = file_at(root / listed, "a list of pictures").read_text(encoding="utf-8").splitlines()
        for name in (found[1] for line in lines if (found := _LINE.fullmatch(line))):
            picture = file_at(root / "images" / f"{name}.jpg", "a picture of the list")
            mask = merged_at(root / merged / f"{name}.png", picture, partial(merged_mask, root, name))
            where, there = (file.relative_to(root).as_posix() for file in (picture, mask))
            rows.append(Sample(path=where, label=0, split=split, domain="helen", mask=there))
    if not rows:
        raise ManifestError(f"{root}: holds no pictures in its lists; give the folder that holds {_HOLDS}")
    return sorted(rows, key=lambda sample: sample.path)


def merged_mask(root: Path, name: str, size: tuple[int, int]) -> Pixels:
    """Returns the mask (H, W) uint8 of a picture, of the highest of its classes' degrees at each pixel.

    Raises:
        ManifestError: the part of a class is missing or cannot be read.
    """
    parts = []
    for index in range(len(CLASSES)):
        file = file_at(root / "labels" / name / f"{name}_lbl{index:02d}.png", "a mask of a class")
        parts.append(cv2.resize(grey(file), size[::-1], interpolation=cv2.INTER_NEAREST))
    return np.asarray(np.argmax(parts, axis=0), dtype=np.uint8)
