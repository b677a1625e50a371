"""Celebrities in Frontal-Profile: 500 people, 10 frontal and 4 profile pictures each (Sengupta et al., 2016).

All bona fide. 176 of its people also occur in LFW: leave them out where one set trains and the other tests.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from facetrust.data.lists import Lists, pair_list
from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.sources._people import person
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_HOLDS = "list_name.txt and the folders 001, 002 … of CFP"
_VIEWS = {"frontal": 10, "profile": 4}


def cfp(root: Path, *, seed: int = 0, aligned: bool = False) -> list[Sample]:
    """Returns all pictures by number, label 0, people split under the seed.

    Subjects are spelled as in LFW (`Aaron_Eckhart`), so that people in both sets are recognised.

    Args:
        root: the folder of `list_name.txt`; pictures lie in it or in its `Images`.
        seed: seed of the split.
        aligned: the pictures are faces of 112 × 112 pixels that lie on ArcFace's template already.

    Raises:
        ManifestError: the folder, the list of names or a picture is missing.
    """
    root = folder_at(root, _HOLDS)
    listed = file_at(root / "list_name.txt", "the list of names")
    names = [line.strip() for line in listed.read_text(encoding="utf-8", errors="replace").splitlines()]
    names = [name for name in names if name]
    if not names:
        raise ManifestError(f"{listed}: is empty; unpack the data set again")
    inside = _inside(root)
    samples = []
    for who, name in enumerate(names, start=1):
        for view, count in _VIEWS.items():
            for number in range(1, count + 1):
                path = f"{inside}{who:03d}/{view}/{number:02d}.jpg"
                file_at(root / path, f"a {view} picture of {name}")
                samples.append(person(path, name.replace(" ", "_"), "cfp", aligned=aligned))
    return assign(samples, seed=seed)


def official_lists(root: Path) -> Lists:
    """Returns the pairs `ff` (frontal, frontal) and `fp` (frontal, profile) in ten folds, if they are there.

    They are read from the makers' `Protocol` (beside or in `root`), or from `pairs_FF.csv` and `pairs_FP.csv`
    with the columns fold, image_a, image_b and same.

    Raises:
        ManifestError: a list cannot be read.
    """
    root = Path(root)
    inside = _inside(root)
    found = {}
    for kind in ("FF", "FP"):
        if (table := root / f"pairs_{kind}.csv").is_file():
            found[kind.lower()] = _tabled(table, inside)
        elif protocol := next(
            (
                each / "Protocol"
                for each in (root, root.parent)
                if (each / "Protocol" / "Split" / kind).is_dir()
            ),
            None,
        ):
            found[kind.lower()] = _numbered(protocol, kind, inside)
    return Lists(pairs=found)


def _inside(root: Path) -> str:
    return "Images/" if (root / "Images").is_dir() else ""


def _tabled(path: Path, inside: str) -> pl.DataFrame:
    lines = [line.split(",") for line in path.read_text("utf-8", errors="replace").splitlines()]
    if not lines or lines[0] != ["fold", "image_a", "image_b", "same"]:
        raise ManifestError(f"{path}: needs the columns fold, image_a, image_b and same")
    wrong = [
        n
        for n, line in enumerate(lines[1:], 2)
        if len(line) != 4 or line[3] not in "01" or not line[0].isdecimal()
    ]
    if wrong:
        raise ManifestError(f"{path}: line {wrong[0]}: is no pair with its fold")
    return pair_list([(inside + a, inside + b, same == "1", int(fold)) for fold, a, b, same in lines[1:]])


def _numbered(protocol: Path, kind: str, inside: str) -> pl.DataFrame:
    """The makers' own lists: folders of folds with numbers of pictures, which two further lists name."""
    names = [_named(protocol / f"Pair_list_{letter}.txt", inside) for letter in (kind[0], kind[1])]
    pairs = []
    for fold in range(1, 11):
        for file, same in (("same.txt", True), ("diff.txt", False)):
            path = file_at(protocol / "Split" / kind / f"{fold:02d}" / file, "a list of pairs")
            for number, line in enumerate(path.read_text().split(), start=1):
                a, _, b = line.partition(",")
                if a not in names[0] or b not in names[1]:
                    raise ManifestError(f"{path}: line {number}: is no pair of two numbers of pictures")
                pairs.append((names[0][a], names[1][b], same, fold))
    return pair_list(pairs)


def _named(path: Path, inside: str) -> dict[str, str]:
    """Returns the pictures of a list by number."""
    lines = (line.split() for line in file_at(path, "the list of numbered pictures").read_text().splitlines())
    return {line[0]: inside + "/".join(line[1].split("/")[-3:]) for line in lines if len(line) == 2}
