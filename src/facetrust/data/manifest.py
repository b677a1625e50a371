"""A manifest: one row per picture, in Parquet or CSV, and a hash that names its content."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

from facetrust.data.targets import label_number
from facetrust.errors import ManifestError, MissingExtra
from facetrust.records import Sample, Split, write_whole
from facetrust.records.tables import read_parquet, read_quietly

try:
    import polars as pl
except ModuleNotFoundError:
    raise MissingExtra("polars", "data") from None

SUFFIXES = (".parquet", ".csv")
REQUIRED = ("path", "label", "split")
_LARGEST = 2**53  # Whole numbers beyond it are no longer exact in a table of floats.
_MOST_SHOWN = 80  # Characters of a wrong value that a message repeats.
_TARGETS = ("label", "subject", "mask")  # A row brings at least one of them.
BOX = ("x", "y", "w", "h")
SCHEMA: dict[str, type[pl.DataType]] = {
    name: {"label": pl.Int64, "frame": pl.Int64, **dict.fromkeys(BOX, pl.Float64)}.get(name, pl.String)
    for name in Sample.model_fields
}


class Manifest:
    """The rows of a manifest, sorted by path, and the folder that their paths start from.

    Args:
        rows: the fields of `Sample` as columns; `label` by number or name. Further columns are dropped.
        root: the folder that paths are relative to.
        source: what errors call it.

    Raises:
        ManifestError: no rows, a missing column, a path twice, or a value that cannot be used.
    """

    def __init__(self, rows: pl.DataFrame, root: Path, *, source: str = "manifest") -> None:
        self.rows = _checked(rows, source)
        self.root = Path(root)
        self.source = source

    def __len__(self) -> int:
        return self.rows.height

    @cached_property
    def hash(self) -> str:
        """16 digits of the SHA-256 of the rows; the same for either file format and any row order."""
        digest = hashlib.sha256()
        for *row, points in self.rows.iter_rows():
            # Manifests without points keep the name that they had before there were any.
            content = row if points is None else [*row, points]
            digest.update(json.dumps(content, ensure_ascii=True).encode() + b"\n")
        return digest.hexdigest()[:16]

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Returns the manifest in a `.parquet` or `.csv` file; its paths are relative to the file's folder.

        Raises:
            ManifestError: missing, of another kind, damaged, or with rows that cannot be used.
        """
        path = Path(path)
        check_suffix(path)
        if path.is_dir():
            raise ManifestError(f"{path}: is a directory; give a .parquet or .csv file")
        if not path.is_file():
            raise ManifestError(f"{path}: no such manifest; make one with: facetrust data prepare")
        try:
            # Everything in a CSV is text at first, so that subject 0001 does not become 1.
            rows = read_parquet(path)[0] if path.suffix.lower() == ".parquet" else _read_csv(path)
        except ValueError as error:
            kind = path.suffix[1:].lower()
            raise ManifestError(f"{path}: is not a readable {kind} file ({error})") from None
        return cls(rows, path.parent, source=str(path))

    @classmethod
    def write(cls, samples: Sequence[Sample], path: str | Path) -> Manifest:
        """Writes the samples into a `.parquet` or `.csv` file, whole or not at all; returns the manifest.

        Raises:
            ManifestError: another suffix, no samples, or a path twice.
        """
        path = Path(path)
        check_suffix(path)
        made = cls.of(samples, path.parent, source=str(path))
        content = io.BytesIO()
        save = made.rows.write_parquet if path.suffix.lower() == ".parquet" else made.rows.write_csv
        save(content)
        write_whole(path, content.getbuffer())
        return made

    @classmethod
    def of(cls, samples: Sequence[Sample], root: Path, *, source: str = "manifest") -> Manifest:
        """Returns a manifest that has no file yet; paths are relative to `root`."""
        return cls(pl.DataFrame([_row(sample) for sample in samples], schema=SCHEMA), root, source=source)

    def samples(self) -> list[Sample]:
        """Returns the rows as samples, sorted by path."""
        return [Sample(**row) for row in self.rows.iter_rows(named=True)]

    def only(self, split: Split) -> Manifest:
        """Returns the rows of one split. The hash stays the whole manifest's, for that is what names it.

        Raises:
            ManifestError: the split has no rows, or is none of train, dev and test.
        """
        kept = self.rows.filter(pl.col("split") == split)
        if not kept.height:
            known = ", ".join(sorted(self.rows["split"].unique().to_list()))
            raise ManifestError(f"{self.source}: no rows in the split {split!r}; it has: {known}")
        part = Manifest(kept, self.root, source=self.source)
        part.__dict__["hash"] = self.hash
        return part

    def path_of(self, sample: Sample) -> Path:
        """Returns where a sample's picture lies."""
        return self.root / sample.path

    def verify_files(self) -> None:
        """Checks that every picture (and mask, where one is named) is there.

        Raises:
            ManifestError: one is not; the message gives the first and how many there are.
        """
        named = [*self.rows["path"].to_list(), *self.rows["mask"].drop_nulls().to_list()]
        missing = [name for name in named if not (self.root / name).is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            where = f"no such image {self.root / missing[0]}{more}"
            raise ManifestError(f"{self.source}: {where}; paths are relative to the manifest")


def absolute(samples: Sequence[Sample], root: Path) -> list[Sample]:
    """Returns the rows with the paths of pictures and masks joined to the manifest's folder."""
    return [
        row.model_copy(
            update={"path": str(root / row.path), "mask": None if row.mask is None else str(root / row.mask)}
        )
        for row in samples
    ]


def _row(sample: Sample) -> dict[str, Any]:
    points = (
        None
        if sample.points is None
        else " ".join(f"{value:g}" for point in sample.points for value in point)
    )
    return {**sample.model_dump(exclude={"points"}), "points": points}


def _read_csv(path: Path) -> pl.DataFrame:
    return cast(pl.DataFrame, read_quietly(lambda: pl.read_csv(path.absolute(), infer_schema=False)))


def whole_pictures(samples: Sequence[Sample]) -> list[Sample]:
    """Returns the rows without their faces, for a question that is asked of the whole picture."""
    nothing = dict.fromkeys((*BOX, "points"))
    return [sample.model_copy(update=nothing) for sample in samples]


def check_suffix(path: Path) -> None:
    """Checks that a path could be a manifest's.

    Raises:
        ManifestError: it ends in neither .parquet nor .csv.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ManifestError(f"{path}: not a manifest; its name must end in .parquet or .csv")


def _checked(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """Returns the rows with the columns and kinds of `SCHEMA`, sorted by path."""
    given = [name for name in _TARGETS if name in rows.columns]
    if missing := [name for name in REQUIRED if name not in rows.columns and not (name == "label" and given)]:
        raise ManifestError(f"{source}: lacks the column {missing[0]!r}; needed: {', '.join(REQUIRED)}")
    if not rows.height:
        raise ManifestError(f"{source}: has no rows")
    columns = [_column(rows[name], source) if name in rows.columns else _nulls(name, rows) for name in SCHEMA]
    table = pl.DataFrame(columns)
    for name in ("path", "split"):
        _refuse(table[name].is_null(), f"{name} is empty", source)
    _refuse(
        table["label"].is_null() & table["subject"].is_null() & table["mask"].is_null(),
        "label is empty, and there is neither subject nor mask",
        source,
    )
    splits = get_args(Split)
    wrong = ~table["split"].is_in(splits)
    _refuse(wrong, _says(table["split"], wrong, f"split {{!r}} is not one of {', '.join(splits)}"), source)
    filled = sum(
        (table[name].is_not_null().cast(pl.Int8) for name in BOX), start=pl.zeros(table.height, eager=True)
    )
    _refuse((filled != 0) & (filled != 4), "the box needs all of x, y, w and h", source)
    flat = (table["w"] <= 0) | (table["h"] <= 0)
    _refuse(flat.fill_null(value=False), "the box needs w and h above 0", source)
    numbers = table["points"].str.extract_all(r"\S+").cast(pl.List(pl.Float64), strict=False)
    ten = (numbers.list.len() == 10) & numbers.list.eval(pl.element().is_finite().fill_null(False)).list.all()
    wrong = table["points"].is_not_null() & ~ten
    _refuse(
        wrong, _says(table["points"], wrong, "points {!r} are not ten numbers, five times x and y"), source
    )
    twice = ~table["path"].is_first_distinct()
    _refuse(twice, _says(table["path"], twice, "path {!r} comes twice"), source)
    return table.sort("path")


def _column(values: pl.Series, source: str) -> pl.Series:
    """Returns a column as its kind; text that holds nothing becomes null, and so do NaN numbers."""
    kind = SCHEMA[values.name]
    number = values.cast(pl.Int8) if values.dtype == pl.Boolean else values
    try:
        text = number.cast(pl.String)
    except pl.exceptions.PolarsError:  # Of lists, and of bytes that are no text.
        raise ManifestError(
            f"{source}: the column {values.name!r} holds {values.dtype}, not plain values"
        ) from None
    if values.name not in ("path", "mask"):  # The name of a file may well end in a space.
        text = text.str.strip_chars()
    text = text.set(text == "", None)
    if values.name == "label":
        return _labels(text, source)
    if kind is pl.String:
        return text
    cast = (number if number.dtype.is_numeric() else text).cast(pl.Float64, strict=False).fill_nan(None)
    given = text.is_not_null() & (text.str.to_lowercase() != "nan")
    wrong = given & (cast.is_null() | cast.is_infinite().fill_null(value=False))
    if kind is pl.Int64:
        wrong |= ((cast != cast.floor()) | (cast.abs() > _LARGEST)).fill_null(value=False)
    _refuse(wrong, _says(text, wrong, f"{values.name} {{!r}} is not a number that fits"), source)
    return cast.cast(kind)


def _labels(text: pl.Series, source: str) -> pl.Series:
    names = text.str.replace(r"^([01])\.0$", "$1")
    known: dict[str | None, int | None] = {None: None}
    for name in names.drop_nulls().unique(maintain_order=True):
        try:
            known[name] = label_number(name)
        except ManifestError as error:
            row = int((names == name).arg_max() or 0) + 1
            raise ManifestError(f"{source}: row {row}: {error}") from None
    return pl.Series("label", [known[name] for name in names], dtype=pl.Int64)


def _nulls(name: str, rows: pl.DataFrame) -> pl.Series:
    return pl.Series(name, [None] * rows.height, dtype=SCHEMA[name])


def _says(values: pl.Series, wrong: pl.Series, what: str) -> str:
    """Returns the complaint with the first offending value put in."""
    first = values.filter(wrong.fill_null(value=False)).head(1)
    return what.format(str(first[0])[:_MOST_SHOWN]) if first.len() else what


def _refuse(wrong: pl.Series, what: str, source: str) -> None:
    """Raises if any row is wrong; the first one is named, counted from 1 without the header."""
    row = wrong.fill_null(value=False).arg_max()
    if row is not None and wrong[row]:
        raise ManifestError(f"{source}: row {row + 1}: {what}")
