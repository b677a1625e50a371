"""A file of scores: one row per judged thing, and what made it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ScoresError, first_line
from facetrust.records.files import write_whole
from facetrust.records.samples import Provenance
from facetrust.records.tables import imported_polars, read_parquet

if TYPE_CHECKING:
    import polars as pl


class Table:
    """Rows that a model was measured by, and what made them.

    Raises:
        ScoresError: a column is missing or of the wrong kind.
        MissingExtra: polars is not installed.
    """

    kinds: ClassVar[dict[str, str]] = {}

    def __init__(self, rows: pl.DataFrame, made_by: Provenance) -> None:
        pl = imported_polars()
        missing = [name for name in self.kinds if name not in rows.columns]
        if missing:
            raise ScoresError(f"scores lack the column {missing[0]!r}; needed: {', '.join(self.kinds)}")
        # A column without a value has no kind of its own, and could not be compared with another's.
        try:
            self.rows = rows.select(rows[name].cast(getattr(pl, kind)) for name, kind in self.kinds.items())
        except pl.exceptions.PolarsError as error:
            raise ScoresError(f"a value does not fit its column ({first_line(error)})") from None
        self.made_by = made_by

    def __len__(self) -> int:
        return self.rows.height

    def column(self, name: str) -> NDArray[np.object_]:
        """Returns a text column as (N,) objects, null as None."""
        return np.array(self.rows[name].to_list(), dtype=object)

    def same_rows(self, other: Table) -> bool:
        """Whether both were measured on the same things with the same truth, in whatever order."""
        mine, theirs = self._truth(), other._truth()
        return mine.columns == theirs.columns and mine.equals(theirs)

    def _truth(self) -> pl.DataFrame:
        raise NotImplementedError

    def write(self, path: str | Path) -> None:
        """Writes a Parquet file; what made it goes into the file's metadata."""
        text = self.made_by.model_dump_json()
        content = io.BytesIO()
        self.rows.write_parquet(content, metadata={"facetrust": text})
        write_whole(Path(path), content.getbuffer())

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Returns the table in a Parquet file.

        Raises:
            ScoresError: missing, not Parquet, not written by facetrust, or a column is missing.
            MissingExtra: polars is not installed.
        """
        rows, made_by = _read(Path(path))
        try:
            return cls(rows, made_by)
        except ScoresError as error:
            raise ScoresError(f"{path}: {error}") from None


class Scores(Table):
    """A table of scores: one row per face, picture or pair.

    Columns: sample, media, subject, domain, attack (strings or null), label (0 or 1), score.
    """

    kinds: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("sample", "media", "subject", "domain", "attack"), "String"),
        "label": "Int64",
        "score": "Float64",
    }
    columns = tuple(kinds)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) int64, 1 = attack (or same person)."""
        return self.rows["label"].to_numpy().astype(np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """(N,) float64."""
        return self.rows["score"].to_numpy().astype(np.float64)

    def _truth(self) -> pl.DataFrame:
        keys = ["sample", "label"]
        return self.rows.select(keys).sort(keys)


class Pairs(Scores):
    """A table of scored pairs: of pictures, or of templates of several pictures.

    Further columns: other, the second's subject, where `subject` is the first's (strings or null), and fold,
    the part of the official list that the pair belongs to, from 1 (null where there are none). `sample` is
    both names with a space between them, `label` 1 for one person.
    """

    kinds: ClassVar[dict[str, str]] = {**Scores.kinds, "other": "String", "fold": "Int64"}

    @property
    def folds(self) -> NDArray[np.int64] | None:
        """(N,) int64, or None where a pair has no fold."""
        column = self.rows["fold"]
        return None if column.null_count() else column.to_numpy().astype(np.int64)


class Searches(Scores):
    """A table of probes that were searched for in a gallery.

    `label` is 1 for a probe whose person is in the gallery, 0 for one who is not, and `score` the highest
    similarity to anyone there. Further columns: mate, the similarity to the probe's own person, and rank,
    how many people are at least as similar, that person included (both null where it is not there); gallery,
    what the gallery is called, and enrolled, how many people are in it.
    """

    kinds: ClassVar[dict[str, str]] = {
        **Scores.kinds,
        "mate": "Float64",
        "rank": "Int64",
        "gallery": "String",
        "enrolled": "Int64",
    }


class Confusions(Table):
    """A table of class masks against their truth: how many pixels of a picture have which two classes.

    Columns: sample, subject, domain (strings or null), truth, answer (indices of classes) and pixels; and,
    where truth and answer are one class, boundary, the F1 of its boundary in this picture (null where it has
    none). Cells with neither a pixel nor a boundary are left out. The classes' names are `made_by.classes`.
    """

    kinds: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("sample", "subject", "domain"), "String"),
        **dict.fromkeys(("truth", "answer", "pixels"), "Int64"),
        "boundary": "Float64",
    }

    def counts(self) -> tuple[list[str], NDArray[np.int64]]:
        """Returns the N pictures' names, sorted, and their confusion matrices (N, C, C), truth first."""
        names, place = self._places()
        classes = len(self.made_by.classes)
        matrices = np.zeros((len(names), classes, classes), np.int64)
        for sample, truth, answer, pixels in self.rows.select(
            "sample", "truth", "answer", "pixels"
        ).iter_rows():
            matrices[place[sample], truth, answer] += pixels
        return names, matrices

    def boundaries(self) -> NDArray[np.float64]:
        """Returns the boundaries' F1 (N, C) of the same pictures; NaN where a class has no boundary."""
        names, place = self._places()
        found = np.full((len(names), len(self.made_by.classes)), np.nan)
        known = self.rows.drop_nulls("boundary").select("sample", "truth", "boundary")
        for sample, truth, boundary in known.iter_rows():
            found[place[sample], truth] = boundary
        return found

    def _places(self) -> tuple[list[str], dict[str, int]]:
        names = sorted(set(self.rows["sample"]))
        return names, {name: number for number, name in enumerate(names)}

    def _truth(self) -> pl.DataFrame:
        keys, pixels = ["sample", "truth"], imported_polars().col("pixels")
        return self.rows.filter(pixels > 0).group_by(keys).agg(pixels.sum()).sort(keys)


def read_table(path: str | Path) -> Table:
    """Returns the table in a Parquet file, of the kind that it holds.

    Raises:
        ScoresError: as `Table.read`.
        MissingExtra: polars is not installed.
    """
    rows, _ = _read(Path(path))
    kinds = {"pixels": Confusions, "rank": Searches, "other": Pairs}
    return next((kind for name, kind in kinds.items() if name in rows.columns), Scores).read(path)


def _read(path: Path) -> tuple[pl.DataFrame, Provenance]:
    if not path.is_file():
        raise ScoresError(f"{path}: no such scores file; make one with: facetrust evaluate")
    try:
        rows, notes = read_parquet(path)
    except ValueError as error:
        raise ScoresError(f"{path}: is not a scores file ({error})") from None
    try:
        return rows, Provenance.model_validate_json(notes["facetrust"])
    except (KeyError, ValueError) as error:
        raise ScoresError(f"{path}: is not a scores file ({type(error).__name__})") from None
