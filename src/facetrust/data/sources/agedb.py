"""AgeDB: 568 people over many years, 16,488 pictures (Moschoglou et al., CVPRW 2017). All bona fide."""

from __future__ import annotations

import re
from pathlib import Path

from facetrust.data.sources._files import folder_at, pictures
from facetrust.data.sources._people import person
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_HOLDS = "the pictures 0_MariaCallas_35_f.jpg … of AgeDB"
_NAME = re.compile(r"(?P<number>\d+)_(?P<person>.+)_(?P<age>\d+)_[fm]")


def agedb(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns all pictures by number, label 0, people split under the seed.

    The 6,000 pairs that are 30 years apart (AgeDB-30) are published as a `.bin` pack: see
    `verification-pack`.

    Raises:
        ManifestError: the folder is missing or holds no such pictures, or one is named otherwise.
    """
    root = folder_at(root, _HOLDS)
    rows: dict[int, Sample] = {}
    for path in pictures(root):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise ManifestError(f"{path}: is not named as AgeDB names pictures (0_MariaCallas_35_f.jpg)")
        name = path.relative_to(root).as_posix()
        rows[int(match["number"])] = person(name, match["person"], "agedb", aligned=False)
    if not rows:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    return assign([rows[number] for number in sorted(rows)], seed=seed)
