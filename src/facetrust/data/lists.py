"""Lists beside a manifest: pairs to be compared, templates of several pictures, galleries to be searched.

Each is a CSV file that names the manifest's rows by their paths (or templates by their names):

- `<manifest>.pairs.csv`: `first`, `second`; `same` (1 or 0) where rows name no subjects; `fold` if known.
- `<manifest>.templates.csv`: `template`, `path`, and if known `media` and `weight`.
- `<manifest>.gallery.csv`: `name`, `part` (gallery or probe), and `subject` where rows name none.

A data set that has several lists of a kind has a word for each: `<manifest>.fp.pairs.csv`.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facetrust import registry
from facetrust.errors import ManifestError
from facetrust.records import Sample, write_whole
from facetrust.records.tables import read_quietly

_FOLDS = 10
_NEEDED = {
    "pairs": ("first", "second"),
    "templates": ("template", "path"),
    "gallery": ("name", "part"),
}
_KINDS = {"same": pl.Boolean, "fold": pl.Int64, "weight": pl.Float64}


class Lists(NamedTuple):
    """What a data set's makers list: pairs and galleries by a word (empty for the one list), templates."""

    pairs: Mapping[str, pl.DataFrame] = {}
    templates: pl.DataFrame | None = None
    galleries: Mapping[str, pl.DataFrame] = {}

    def files(self) -> Iterable[tuple[str, pl.DataFrame]]:
        """Yields what goes between the manifest's name and `.csv`, and the table."""
        for word, table in self.pairs.items():
            yield ".".join(filter(None, (word, "pairs"))), table
        if self.templates is not None:
            yield "templates", self.templates
        for word, table in self.galleries.items():
            yield ".".join(filter(None, (word, "gallery"))), table


def row_name(sample: Sample) -> str:
    """Returns the name of a source's row: its path, and its frame where it has one."""
    return sample.path if sample.frame is None else f"{sample.path}/{sample.frame}"


def pair_list(pairs: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Returns (first, second, same) or (first, second, same, fold) as a table."""
    schema = {"first": pl.String, "second": pl.String, "same": pl.Boolean, "fold": pl.Int64}
    names = list(schema)[: len(pairs[0])] if pairs else list(schema)
    return pl.DataFrame(pairs, schema={name: schema[name] for name in names}, orient="row")


def folds_by_label(same: pl.Series) -> list[int]:
    """Returns a fold from 1 to 10 per pair: each label's pairs in ten runs, so that folds are balanced."""
    folds = np.zeros(len(same), np.int64)
    for label in (True, False):
        rows = np.flatnonzero((same == label).to_numpy())
        for fold, run in enumerate(np.array_split(rows, _FOLDS), start=1):
            folds[run] = fold
    return [int(fold) for fold in folds]


def official_lists(source: str, root: Path, settings: Mapping[str, object]) -> Lists:
    """Returns the lists that a data set's makers give, by `official_lists` in its source's file.

    Raises:
        ManifestError: a list is missing or cannot be read.
    """
    read = getattr(registry.module("data.sources", source), "official_lists", None)
    if read is None:
        return Lists()
    taken = {key: value for key, value in settings.items() if key in inspect.signature(read).parameters}
    found: Lists = registry.call_with_text(read, source, root, **taken)
    return found


def write_lists(lists: Lists, manifest: Path, paths: Mapping[str, str]) -> list[str]:
    """Writes the lists beside a manifest; returns for each file its name and how much of the list it holds.

    Args:
        manifest: the manifest's file.
        paths: the manifest's path of each of the source's rows (`row_name`). Pairs that name a picture that
            is not among them are left out, and so are templates' pictures.
    """
    notes = []
    templates = set() if lists.templates is None else set(lists.templates["template"])
    known = {name: name for name in templates} | dict(paths)
    for name, table in lists.files():
        columns = [column for column in ("first", "second", "path", "name") if column in table.columns]
        placed = table.with_columns(
            pl.col(column).replace_strict(known, default=None, return_dtype=pl.String) for column in columns
        ).drop_nulls(columns)
        file = manifest.with_name(f"{manifest.name}.{name}.csv")
        content = io.BytesIO()
        numbers = [pl.col(each).cast(pl.Int8) for each in ("same",) if each in placed.columns]
        placed.with_columns(numbers).write_csv(content)
        write_whole(file, content.getbuffer())
        notes.append(f"{file}: {placed.height} of {table.height}")
    return notes


def read_list(path: Path, kind: str) -> pl.DataFrame:
    """Returns a list beside a manifest; `same` is a truth value, `fold` and `weight` are numbers.

    Args:
        path: the file.
        kind: pairs, templates or gallery.

    Raises:
        ManifestError: missing, not CSV, or a column or value is wrong.
    """
    needed = _NEEDED[kind]
    if not path.is_file():
        raise ManifestError(f"{path}: no such list of {kind}")
    try:
        table: pl.DataFrame = read_quietly(lambda: pl.read_csv(path.absolute(), infer_schema=False))
    except ValueError as error:
        raise ManifestError(f"{path}: is not a readable CSV file ({error})") from None
    if missing := [name for name in needed if name not in table.columns]:
        raise ManifestError(f"{path}: is no list of {kind}; it lacks the column {missing[0]!r}")
    if not table.height:
        raise ManifestError(f"{path}: has no rows")
    for name in table.columns:
        table = table.with_columns(_column(table[name], path, needed=name in needed))
    return table


def _column(values: pl.Series, path: Path, *, needed: bool) -> pl.Series:
    kind = _KINDS.get(values.name)
    if kind is pl.Boolean:
        numbers = values.replace_strict({"0": False, "1": True}, default=None, return_dtype=pl.Boolean)
    else:
        numbers = values if kind is None else values.cast(kind, strict=False)
    wrong = numbers.is_null() & (values.is_not_null() | (needed or kind is not None))
    if values.name == "part":
        wrong |= ~values.is_in(["gallery", "probe"])
    if (row := wrong.arg_max()) is not None and wrong[row]:
        raise ManifestError(f"{path}: row {row + 1}: {values.name} {values[row]!r} cannot be used")
    return numbers
