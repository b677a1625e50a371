"""A file of scores: one row per judged thing, and what made it."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MissingExtra, ScoresError
from facetrust.records.files import write_whole
from facetrust.records.samples import Provenance

if TYPE_CHECKING:
    import polars as pl


class Scores:
    """A table of scores, one row a sample, and what made it.

    Columns: sample, media, subject, domain, attack (strings or null), label (0 or 1), score.

    Raises:
        ScoresError: a column is missing or of the wrong kind.
        MissingExtra: polars is not installed.
    """

    columns = ("sample", "media", "subject", "domain", "attack", "label", "score")

    def __init__(self, rows: pl.DataFrame, made_by: Provenance) -> None:
        pl = _polars()
        missing = [name for name in self.columns if name not in rows.columns]
        if missing:
            raise ScoresError(f"scores lack the column {missing[0]!r}; needed: {', '.join(self.columns)}")
        # A column without a value has no kind of its own, and could not be compared with another's.
        kinds = dict.fromkeys(self.columns[:5], "String") | {"label": "Int64", "score": "Float64"}
        try:
            self.rows = rows.select(rows[name].cast(getattr(pl, kinds[name])) for name in self.columns)
        except pl.exceptions.PolarsError as error:
            raise ScoresError(f"a value does not fit its column ({str(error).splitlines()[0]})") from None
        self.made_by = made_by

    def __len__(self) -> int:
        return self.rows.height

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) int64, 1 = attack (or same person)."""
        return self.rows["label"].to_numpy().astype(np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """(N,) float64."""
        return self.rows["score"].to_numpy().astype(np.float64)

    def column(self, name: str) -> NDArray[np.object_]:
        """Returns a text column as (N,) objects, null as None."""
        return np.array(self.rows[name].to_list(), dtype=object)

    def same_rows(self, other: Scores) -> bool:
        """Whether both hold the same samples with the same labels, in whatever order."""
        keys = ["sample", "label"]
        mine, theirs = (each.rows.select(keys).sort(keys) for each in (self, other))
        return mine.equals(theirs)

    def write(self, path: str | Path) -> None:
        """Writes a Parquet file; what made it goes into the file's metadata."""
        text = self.made_by.model_dump_json()
        write_whole(Path(path), lambda part: self.rows.write_parquet(part, metadata={"facetrust": text}))

    @classmethod
    def read(cls, path: str | Path) -> Scores:
        """Returns the table in a Parquet file.

        Raises:
            ScoresError: missing, not Parquet, not written by facetrust, or a column is missing.
            MissingExtra: polars is not installed.
        """
        pl = _polars()
        path = Path(path)
        if not path.is_file():
            raise ScoresError(f"{path}: no such scores file; make one with: facetrust evaluate")
        try:
            made_by = json.loads(pl.read_parquet_metadata(path)["facetrust"])
            return cls(pl.read_parquet(path), Provenance(**made_by))
        except ScoresError as error:
            raise ScoresError(f"{path}: {error}") from None
        except Exception as error:  # Polars raises many kinds for a damaged file.
            raise ScoresError(f"{path}: is not a scores file ({type(error).__name__})") from None


def _polars() -> ModuleType:
    try:
        import polars
    except ModuleNotFoundError:
        raise MissingExtra("polars", "data") from None
    return polars
