"""Reads inputs: the bytes of a picture, from wherever they lie."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from facetrust.errors import ImageError, InputError, first_line
from facetrust.imaging.inputs import Encoded, loaded
from facetrust.imaging.pixels import MAX_BYTES
from facetrust.imaging.regular_file import is_address, size_of
from facetrust.imaging.video import MAX_BYTES as MAX_VIDEO_BYTES
from facetrust.imaging.video import VIDEOS
from facetrust.records import sha256_of
from facetrust.records.tables import imported_polars, read_quietly
from facetrust.runtime.scan.sources import Input, column_of

MISSING, UNREADABLE = "missing", "unreadable"
_ROWS = 64  # Of Parquet with bytes that are read at once.


class Read(NamedTuple):
    """What was read of an input: the source for a checker and its hash, or the kind of failure and why.

    `seconds` is what reading and hashing took.
    """

    source: Path | Encoded | None
    sha256: str | None
    failure: str | None
    reason: str | None
    seconds: float


class Reader:
    """Reads inputs, in several threads at once; of Parquet files it keeps the rows around the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: tuple[str, int, list[Any]] = ("", 0, [])

    def read(self, each: Input) -> Read:
        """Returns what an input holds."""
        start = time.perf_counter()
        source = sha256 = failure = reason = None
        try:
            source = self._source(each)
            sha256 = _hash_of(source)
        except FileNotFoundError:
            failure, reason = MISSING, f"{each.name}: no such file"
        except InputError as error:
            failure, reason = UNREADABLE, str(error)
        except Exception as error:  # Every bucket has errors of its own.
            failure, reason = UNREADABLE, f"{each.name}: cannot be read ({first_line(error)})"
        return Read(source, sha256, failure, reason, time.perf_counter() - start)

    def _source(self, each: Input) -> Path | Encoded:
        if each.row >= 0:
            return Encoded(each.name, self._row(each))
        if each.offset >= 0:
            limit = MAX_VIDEO_BYTES if each.name.lower().endswith(VIDEOS) else MAX_BYTES
            if each.size > limit:
                raise ImageError(f"{each.name}: {each.size} bytes; the limit is {limit}")
            with open_file(each.file) as file:
                file.seek(each.offset)
                return Encoded(each.name, file.read(each.size))
        if not is_address(each.file):
            if not os.path.lexists(each.file):
                raise FileNotFoundError
            size_of(each.file, limit=MAX_VIDEO_BYTES, kind="an image")
            if each.file.lower().endswith(VIDEOS):
                return Path(each.file)
        with open_file(each.file) as file:
            encoded: Encoded = loaded(_Named(file, each.name))
        return encoded

    def _row(self, each: Input) -> bytes:
        """The bytes in a row of a Parquet file."""
        with self._lock:
            file, first, rows = self._rows
            if file != each.file or not first <= each.row < first + len(rows):
                first, rows = each.row, _rows_of(each.file, each.row)
                self._rows = (each.file, first, rows)
            value = rows[each.row - first]
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise ImageError(f"{each.name}: has no bytes")
        return data


class _Named:
    """A file object with the name that reports use."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.read = file.read
        self.name = name


def open_file(file: str) -> BinaryIO:
    """Returns a file, or what lies at an address, open for bytes."""
    if not is_address(file):
        return Path(file).open("rb")
    from facetrust.runtime.scan.bucket import open_address

    return open_address(file)


def _hash_of(source: Path | Encoded) -> str:
    if isinstance(source, Path):
        return sha256_of(source)
    return hashlib.sha256(source.data).hexdigest()


def _rows_of(file: str, first: int) -> list[Any]:
    polars, path = imported_polars(), Path(file).absolute()
    column, _ = column_of(file)
    lazy = polars.scan_parquet(path).select(column).slice(first, _ROWS)
    rows: list[Any] = read_quietly(lambda: lazy.collect().to_series().to_list())
    return rows
