"""Any folder per person: `Anna/1.jpg`, `Bertha/holiday/2.png` … All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._people import people_in_folders
from facetrust.data.splits import assign
from facetrust.records import Sample


def people(root: Path, *, seed: int = 0, aligned: bool = False) -> list[Sample]:
    """Returns all pictures by path, label 0, people split under the seed.

    Args:
        root: the folder of the people's folders; its name is the rows' domain.
        seed: seed of the split.
        aligned: the pictures are faces of 112 × 112 pixels that lie on ArcFace's template already.

    Raises:
        ManifestError: the folder is missing or holds no people, or one of them has no picture.
    """
    domain = Path(root).resolve().name or "people"
    return assign(people_in_folders(root, domain, "a folder a person", aligned=aligned), seed=seed)
