"""ORL, the AT&T Database of Faces: 40 people, 10 grey pictures each (Samaria and Harter, 1994)."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.sources._people import person
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_HOLDS = "the folders s1 … s40 of ORL"
_PEOPLE, _PICTURES = 40, 10


def orl(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns all 400 pictures by number, label 0, people split under the seed.

    Raises:
        ManifestError: the folder or a picture is missing.
    """
    root = folder_at(root, _HOLDS)
    if not any((root / f"s{number}").is_dir() for number in range(1, _PEOPLE + 1)):
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    names = [(who, f"s{who}/{n}.pgm") for who in range(1, _PEOPLE + 1) for n in range(1, _PICTURES + 1)]
    for who, name in names:
        file_at(root / name, f"a picture of person {who}")
    return assign([person(name, f"orl-{who}", "orl", aligned=False) for who, name in names], seed=seed)
