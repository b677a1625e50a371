"""MS-Celeb-1M as cleaned for ArcFace (MS1MV2, MS1MV3): 5.2 to 5.8 million pictures. All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._people import people_set
from facetrust.records import Sample

_HOLDS = "train.rec and train.idx, or a folder a person, of MS1M"


def ms1m(root: Path, *, seed: int = 0, aligned: bool = True) -> list[Sample]:
    """Returns all pictures, label 0, people split under the seed.

    Names are numbers that no other set uses, so that people who are in other sets too are not recognised.

    Args:
        root: the folder of `train.rec` (`faces_emore`, `ms1m-retinaface-t1`), or of the people's folders.
        seed: seed of the split.
        aligned: the pictures in folders are aligned already, at 112 × 112 pixels.

    Raises:
        ManifestError: the folder is missing, holds no people, or its records are damaged.
    """
    return people_set(root, "ms1m", _HOLDS, aligned=aligned, seed=seed)
