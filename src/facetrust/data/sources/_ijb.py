"""What IJB-B and IJB-C share: cut faces with points, templates of several pictures, pairs and galleries.

Read in the layout in which insightface hands them on: `loose_crop/` and, in `meta/`, lists whose names
begin with the set's.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from facetrust.data.lists import Lists
from facetrust.data.sources._files import file_at, folder_at
from facetrust.errors import ManifestError
from facetrust.records import Sample
from facetrust.records.tables import read_quietly

_FACES = "loose_crop"
_POINTS = 10


def faces_of(root: Path, name: str) -> list[Sample]:
    """Returns the cut faces with their points, label 0, all in the split test; who they are, nobody says.

    Raises:
        ManifestError: the folder, the list or a picture is missing, or a line cannot be read.
    """
    root = folder_at(root, f"{_FACES} and meta of {name.upper()}")
    rows = []
    for picture, *numbers in _lines(root, f"{name}_name_5pts_score.txt", _POINTS + 2):
        file_at(root / _FACES / picture, "a picture of the list")
        points = tuple(zip(*[iter(map(float, numbers[:_POINTS]))] * 2, strict=True))
        rows.append(Sample(path=f"{_FACES}/{picture}", label=0, split="test", domain=name, points=points))
    return rows


def lists_of(root: Path, name: str, galleries: tuple[str, str]) -> Lists:
    """Returns templates, weighted by how sure the detector was of each face; pairs of them, and galleries.

    The mixed probes are looked for in each gallery; who is not in it is unknown there.

    Raises:
        ManifestError: a list is missing or cannot be read.
    """
    sure = {row[0]: float(row[-1]) for row in _lines(root, f"{name}_name_5pts_score.txt", _POINTS + 2)}
    members = _lines(root, f"{name}_face_tid_mid.txt", 3)
    if unknown := [picture for picture, _, _ in members if picture not in sure]:
        raise ManifestError(f"{root / 'meta'}: the template list names {unknown[0]}, which has no points")
    templates = pl.DataFrame(
        {
            "template": [template for _, template, _ in members],
            "path": [f"{_FACES}/{picture}" for picture, _, _ in members],
            "media": [media for _, _, media in members],
            "weight": [sure[picture] for picture, _, _ in members],
        }
    )
    probes = _enrolled(root, f"{name}_1N_probe_mixed.csv", "probe")
    return Lists(
        pairs={"": _pairs(root, f"{name}_template_pair_label.txt")},
        templates=templates,
        galleries={
            part.lower(): pl.concat([_enrolled(root, f"{name}_1N_gallery_{part}.csv", "gallery"), probes])
            for part in galleries
        },
    )


def _lines(root: Path, list_name: str, columns: int) -> list[list[str]]:
    path = file_at(root / "meta" / list_name, "a list")
    lines = [line.split() for line in path.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        numbers = line[1:]
        if len(line) != columns or not all(_is_number(each) for each in numbers):
            raise ManifestError(f"{path}: line {number}: has not the {columns} values that it needs")
    if not lines:
        raise ManifestError(f"{path}: is empty; unpack the data set again")
    return lines


def _pairs(root: Path, list_name: str) -> pl.DataFrame:
    """The pairs of templates; there are millions, which polars reads at once."""
    path = file_at(root / "meta" / list_name, "a list")
    names = ["first", "second", "same"]
    try:
        table: pl.DataFrame = read_quietly(
            lambda: pl.read_csv(
                path.absolute(), separator=" ", has_header=False, infer_schema=False, new_columns=names
            )
        )
    except ValueError as error:
        raise ManifestError(f"{path}: is not a readable list ({error})") from None
    if table.columns != names or not table["same"].is_in(["0", "1"]).all():
        raise ManifestError(f"{path}: is no list of two templates and 0 or 1")
    return table.with_columns(pl.col("same") == "1")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _enrolled(root: Path, list_name: str, part: str) -> pl.DataFrame:
    """The templates of a 1:N list, once each; its first two columns are template and subject."""
    path = file_at(root / "meta" / list_name, "a list")
    lines = [
        line.split(",")[:2] for line in path.read_text("utf-8", errors="replace").splitlines()[1:] if line
    ]
    if not lines or any(len(line) < 2 for line in lines):
        raise ManifestError(f"{path}: is no list of templates and subjects")
    subjects = {template.strip(): subject.strip() for template, subject in lines}
    return pl.DataFrame({"name": list(subjects), "subject": list(subjects.values())}).with_columns(
        pl.lit(part).alias("part")
    )
