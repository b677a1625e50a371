"""Cross-Age LFW: LFW's people years apart, 6,000 pairs (Zheng, Deng and Hu, 2017). All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.lists import Lists
from facetrust.data.sources._lfw_like import listed_pairs, listed_people
from facetrust.records import Sample

_LIST = "pairs_CALFW.txt"


def calfw(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the pictures of the pairs by name, label 0, people split under the seed.

    Raises:
        ManifestError: the folder, the list of pairs or a picture is missing.
    """
    return listed_people(root, _LIST, "calfw", seed=seed)


def official_lists(root: Path) -> Lists:
    """Returns the pairs in ten folds.

    Raises:
        ManifestError: the list is missing or cannot be read.
    """
    return listed_pairs(Path(root), _LIST)
