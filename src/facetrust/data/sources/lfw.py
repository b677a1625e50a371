"""Labeled Faces in the Wild: press photos of well-known people (Huang et al., 2007). All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.lists import Lists, pair_list
from facetrust.data.sources._files import folder_at, folders
from facetrust.data.sources._people import person
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

# The ten folds that results are of, and the two lists that methods are developed on.
_LISTS = {"": "pairs.txt", "dev-train": "pairsDevTrain.txt", "dev-test": "pairsDevTest.txt"}
_HOLDS = "a folder a person of LFW (Aaron_Eckhart/Aaron_Eckhart_0001.jpg …)"


def lfw(root: Path, *, seed: int = 0, aligned: bool = False) -> list[Sample]:
    """Returns all pictures by name, label 0, people split under the seed.

    Rows have no box, for in an aligned archive a face fills its picture.

    Args:
        root: the folder of the people's folders.
        seed: seed of the split.
        aligned: the pictures are faces of 112 × 112 pixels that lie on ArcFace's template already.

    Raises:
        ManifestError: the folder is missing or holds no people, or a person's numbering has a hole.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for folder in folders(root):
        found = sorted(path.name for path in folder.glob(f"{folder.name}_*.jpg"))
        for number, name in enumerate(found, start=1):
            if name != (expected := f"{folder.name}_{number:04d}.jpg"):
                raise ManifestError(f"{folder / expected}: is missing; unpack the data set again")
            samples.append(person(f"{folder.name}/{name}", folder.name, "lfw", aligned=aligned))
    if not samples:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    return assign(samples, seed=seed)


def official_lists(root: Path) -> Lists:
    """Returns those lists of pairs that lie in the folder: the ten folds, `dev-train` and `dev-test`.

    Raises:
        ManifestError: a list cannot be read.
    """
    found = {word: Path(root) / name for word, name in _LISTS.items()}
    return Lists(pairs={word: pair_list(_pairs(path)) for word, path in found.items() if path.is_file()})


def _pairs(path: Path) -> list[tuple[str, str, bool, int]]:
    """The pairs of a list: as its first line says, of each fold so many of one person, as many of two."""
    head, *lines = [line.split() for line in path.read_text("utf-8", errors="replace").splitlines()] or [[]]
    numbers = [int(each) for each in head if each.isdecimal()]
    folds, count = (numbers if len(numbers) == 2 else [1, *numbers])[:2] if numbers else (0, 0)
    if not count or len(lines) < 2 * folds * count:
        raise ManifestError(f"{path}: has {len(lines)} pairs; its first line announces {2 * folds * count}")
    pairs = []
    for number, line in enumerate(lines[: 2 * folds * count]):
        same = number // count % 2 == 0
        if len(line) != (3 if same else 4) or not (line[-1].isdecimal() and line[1].isdecimal()):
            raise ManifestError(f"{path}: line {number + 2}: is no pair of {'one person' if same else 'two'}")
        first, second = (line[0], line[1]), (line[0] if same else line[2], line[-1])
        names = [f"{name}/{name}_{int(index):04d}.jpg" for name, index in (first, second)]
        pairs.append((names[0], names[1], same, number // (2 * count) + 1))
    return pairs
