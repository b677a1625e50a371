"""What is scanned: a folder, list, Parquet files, tar shards or a bucket become inputs in a stable order."""

from __future__ import annotations

import csv
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from facetrust.errors import InputError, first_line
from facetrust.imaging.inputs import inputs_in, name_of, picture_suffixes
from facetrust.imaging.regular_file import is_address
from facetrust.imaging.video import VIDEOS
from facetrust.records.tables import imported_polars, read_quietly

SHARDS = (".tar", ".parquet")
LISTS = (".txt", ".csv")
PATHS = ("path", "file", "file_name")  # Columns of Parquet that are looked for, in this order.
BYTES = ("bytes", "image", "jpg", "jpeg", "png", "webp")
NAMES = ("name", "key", "__key__", *PATHS)
_PACKED = re.compile(r"\.(tar\.\w+|tgz)$", re.IGNORECASE)
_ROWS = 10_000  # Of Parquet that are listed at once.


class Input(NamedTuple):
    """A picture or video of a source: its name in reports, its file or address, and where in that it lies.

    `offset` and `size` are bytes of a tar shard, `row` one of a Parquet file with bytes; -1 where they say
    nothing.
    """

    name: str
    file: str
    offset: int = -1
    size: int = -1
    row: int = -1

    def to_line(self) -> str:
        """Returns the input as one line of JSON."""
        return json.dumps(self, separators=(",", ":")) + "\n"

    @classmethod
    def from_line(cls, line: str | bytes) -> Input:
        """Returns the input that a line holds."""
        return cls(*json.loads(line))


class Source(NamedTuple):
    """The inputs of a source, listed as they are asked for, and the files of its folders left out."""

    inputs: Iterator[Input]
    skipped: list[Path]


def inputs_of_source(source: str) -> Source:
    """Returns what a source holds.

    A folder is searched deeply for pictures and videos; one that holds none, for shards. A list is a text
    file of a path a line, or a CSV file with the column `path`; its paths are relative to it, and may be
    addresses. Of tar shards, the members with a picture's or video's name are taken.

    Raises:
        InputError: there is no such source, or nothing in it to be judged; while inputs are listed, a list
            or shard that cannot be read.
        MissingExtra: a package that the source needs is not installed.
    """
    if is_address(source):
        from facetrust.runtime.scan.bucket import listed

        return Source(_of_files(source, listed(source)), [])
    if _PACKED.search(source):
        raise InputError(f"{source}: is packed, and so no member can be read alone; unpack it to a .tar")
    if source.lower().endswith(LISTS) and os.path.isfile(source):
        return Source(_of_list(Path(source)), [])
    found = inputs_in([source])
    shards = [str(path) for path in found.skipped if path.suffix.lower() in SHARDS]
    if shards and not found.sources:
        return Source(_of_shards(shards), [path for path in found.skipped if str(path) not in shards])
    if found.errors:
        raise found.errors[0]
    if not found.sources:
        raise InputError(f"{source}: no picture in it that can be decoded here, nor a video or a shard")
    return Source(_of_files(source, [os.fspath(each) for each in found.sources]), found.skipped)  # type: ignore[arg-type]


def _of_files(source: str, files: Iterable[str]) -> Iterator[Input]:
    """Files as they are, and what is in those of them that are shards."""
    for file in files:
        if file.lower().endswith(SHARDS):
            yield from _of_shards([file])
        elif file == source and not is_address(file) and not os.path.exists(file):
            raise InputError(f"{source}: no such file or folder")
        else:
            yield Input(name_of(file), _found_anywhere(file))


def _found_anywhere(file: str) -> str:
    """A file's absolute path, or an address; another machine's process has another working directory."""
    return file if is_address(file) else os.path.abspath(file)


def _beside(table: Path, text: str) -> Input:
    """What a path in a list or table stands for, which is relative to it, or an address."""
    place = text if is_address(text) else os.fspath(table.parent / text)
    return Input(name_of(place), _found_anywhere(place))


def _of_shards(shards: Iterable[str]) -> Iterator[Input]:
    for shard in shards:
        yield from (_of_tar if shard.lower().endswith(".tar") else _of_parquet)(shard)


def _of_list(path: Path) -> Iterator[Input]:
    """The paths of a list, which are relative to it."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line in _csv_paths(path, file) if path.suffix.lower() == ".csv" else map(str.strip, file):
                if line:
                    yield _beside(path, line)
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)})") from None


def _csv_paths(path: Path, file: Iterable[str]) -> Iterator[str]:
    rows = csv.DictReader(file)
    if "path" not in (rows.fieldnames or ()):
        raise InputError(f"{path}: has no column path; it has {', '.join(rows.fieldnames or ()) or 'none'}")
    return (row["path"] or "" for row in rows)


def _of_tar(shard: str) -> Iterator[Input]:
    """The pictures and videos of a tar file, by where their bytes lie in it."""
    from facetrust.runtime.scan.reading import open_file

    known = (*picture_suffixes(), *VIDEOS)
    found = False
    try:
        with open_file(shard) as file, tarfile.open(fileobj=file, mode="r:") as members:
            for member in members:
                if member.isreg() and not member.issparse() and member.name.lower().endswith(known):
                    found = True
                    name = name_of(f"{shard}/{member.name}")
                    yield Input(name, _found_anywhere(shard), member.offset_data, member.size)
                members.members = []  # type: ignore[attr-defined]  # It keeps all that it has seen.
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{shard}: cannot be read as a tar file ({first_line(error)})") from None
    if not found:
        raise InputError(f"{shard}: no picture in it, nor a video")


def _of_parquet(shard: str) -> Iterator[Input]:
    """The rows of a Parquet file: paths, relative to it, or bytes."""
    if is_address(shard):
        raise InputError(f"{shard}: Parquet files are read from a disk; fetch it, or give tar shards")
    polars, path = imported_polars(), Path(shard).absolute()
    try:
        kinds = _kinds(polars, shard)
        column, has_bytes = column_of(shard)
        names = [name for name in NAMES if kinds.get(name) == polars.String][:1]
        wanted = polars.scan_parquet(path).select(names if has_bytes and names else column)
        rows = read_quietly(wanted.select(polars.len()).collect).item()
        for first in range(0, rows, _ROWS):
            if has_bytes and not names:
                texts: list[Any] = list(range(first, min(first + _ROWS, rows)))
            else:
                texts = read_quietly(wanted.slice(first, _ROWS).collect).to_series().to_list()
            for row, text in enumerate(texts, first):
                name = name_of(f"{shard}/{row if text is None else text}")
                yield Input(name, str(path), row=row) if has_bytes else _beside(Path(shard), str(text or ""))
    except ValueError as error:
        raise InputError(f"{shard}: cannot be read as a Parquet file ({first_line(error)})") from None


def column_of(shard: str) -> tuple[str, bool]:
    """Returns the column of a Parquet file that is read, and whether it holds bytes.

    Raises:
        InputError: it has none.
        ValueError: the file cannot be read.
    """
    polars = imported_polars()
    kinds = _kinds(polars, shard)
    for name in BYTES:
        if kinds.get(name) in (polars.Binary, polars.Struct):
            return name, True
    for name in PATHS:
        if kinds.get(name) == polars.String:
            return name, False
    raise InputError(
        f"{shard}: has no column of bytes ({', '.join(BYTES)}) or paths ({', '.join(PATHS)}); "
        f"it has {', '.join(kinds) or 'none'}"
    )


def _kinds(polars: ModuleType, shard: str) -> dict[str, Any]:
    schema = read_quietly(lambda: polars.read_parquet_schema(Path(shard).absolute()))
    return {name: dtype.base_type() for name, dtype in schema.items()}
