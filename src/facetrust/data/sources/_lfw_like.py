"""What CALFW and CPLFW share: pictures named for LFW's people, and a list of pairs, two lines each."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from facetrust.data.lists import Lists, folds_by_label, pair_list
from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.sources._people import person
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_FOLDERS = ("aligned images", "images")


def listed_people(root: Path, list_name: str, domain: str, *, seed: int) -> list[Sample]:
    """Returns the pictures that the list of pairs names, by name, label 0, people split under the seed.

    Subjects are LFW's. What lies in `aligned images` was cut by the makers for 112 × 112 pixels by another
    template, so that faces are looked for as in any picture.

    Raises:
        ManifestError: the folder, the list or a picture is missing, or the list cannot be read.
    """
    root = folder_at(root, f"{list_name} and the pictures of {domain.upper()}")
    folder = _folder(root)
    names = sorted({name for name, _ in _lines(root / list_name)})
    for name in names:
        file_at(root / folder / name, "a picture of the list of pairs")
    rows = [person(folder + name, name.rpartition("_")[0], domain, aligned=False) for name in names]
    return assign(rows, seed=seed)


def listed_pairs(root: Path, list_name: str) -> Lists:
    """Returns the list of pairs; each label's are dealt to ten folds, in the list's order.

    Raises:
        ManifestError: the list is missing or cannot be read.
    """
    folder = _folder(root)
    lines = _lines(root / list_name)
    found = []
    for (first, label), (second, again) in zip(lines[::2], lines[1::2], strict=False):
        if (label == 0) != (again == 0):
            raise ManifestError(
                f"{root / list_name}: the lines of {first} and {second} differ in their label"
            )
        found.append((folder + first, folder + second, label != 0))
    pairs = pair_list(found)
    return Lists(pairs={"": pairs.with_columns(pl.Series("fold", folds_by_label(pairs["same"])))})


def _folder(root: Path) -> str:
    return next((f"{name}/" for name in _FOLDERS if (root / name).is_dir()), "")


def _lines(path: Path) -> list[tuple[str, int]]:
    lines = []
    text = file_at(path, "the list of pairs").read_text("utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        name, _, label = line.strip().rpartition(" ")
        if line.strip() and not (name and label.isdecimal()):
            raise ManifestError(f"{path}: line {number}: is not a picture's name and a label")
        lines += [(name, int(label))] if name else []
    if not lines or len(lines) % 2:
        raise ManifestError(f"{path}: has {len(lines)} lines; a pair is two")
    return lines
