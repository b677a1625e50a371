"""CASIA-WebFace: 10,575 people, 494,414 pictures (Yi et al., arXiv 1411.7923). All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._people import people_set
from facetrust.records import Sample

_HOLDS = "a folder a person (0000045/001.jpg …), or train.rec and train.idx of CASIA-WebFace"


def casia_webface(root: Path, *, seed: int = 0, aligned: bool = False) -> list[Sample]:
    """Returns all pictures, label 0, people split under the seed.

    Names are numbers that no other set uses, so that people who are in other sets too are not recognised.

    Args:
        root: the folder of the people's folders, or of `train.rec`, whose faces are aligned.
        seed: seed of the split.
        aligned: the pictures in folders are aligned already, at 112 × 112 pixels.

    Raises:
        ManifestError: the folder is missing, holds no people, or its records are damaged.
    """
    return people_set(root, "casia-webface", _HOLDS, aligned=aligned, seed=seed)
