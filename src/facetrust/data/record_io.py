"""Reads RecordIO (`.rec` with `.idx`), the format in which MXNet and insightface keep pictures with labels.

A record is a magic number, a word with a part flag (3 bits) and a length (29 bits), and content padded to
four bytes. A content that holds the magic number itself is cut there into parts. It begins with a header: a
count of further labels, a label, and two numbers; then the further labels, then the encoded picture.

Source: the format as MXNet's documentation and dmlc-core describe it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from facetrust.errors import ManifestError

_MAGIC = 0xCED7230A
_WORDS = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_FLAG, _LENGTH = 29, (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_MOST_LABELS = 1 << 16


class Entry(NamedTuple):
    """A record's labels and its encoded picture, which is empty where it holds none."""

    labels: tuple[float, ...]
    picture: bytes


class RecordFile:
    """The records of a `.rec` file by their keys, in the order of the keys.

    Used in a `with` statement. The keys are those of the `.idx` file beside it.

    Raises:
        ManifestError: a file is missing, or the index is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places = _index(path.with_suffix(".idx"))
        if not path.is_file():
            raise ManifestError(f"{path}: the file of records is missing; unpack the data set again")
        self._size = path.stat().st_size
        self._file: BinaryIO = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __contains__(self, key: int) -> bool:
        return key in self._places

    def read(self, key: int) -> Entry:
        """Returns a record.

        Raises:
            ManifestError: no such key, or the file is damaged there; the message says where.
        """
        content = self._content(self._place(key))
        labels, start = self._labels(content, key)
        return Entry(labels, content[start:])

    def labels(self, key: int) -> tuple[float, ...]:
        """Returns a record's labels; its picture is not read.

        Raises:
            ManifestError: as `read`.
        """
        place = self._place(key)
        _, length = self._part(place)
        head = self._bytes(place + _WORDS.size, min(length, _HEADER.size))
        count = _HEADER.unpack(head)[0] if len(head) == _HEADER.size else 0
        if count <= _MOST_LABELS:
            head = self._bytes(place + _WORDS.size, min(length, _HEADER.size + 4 * count))
        return self._labels(head, key)[0]

    def _place(self, key: int) -> int:
        if key not in self._places:
            raise ManifestError(f"{self.path}: has no record {key}")
        return self._places[key]

    def _content(self, place: int) -> bytes:
        parts: list[bytes] = []
        while True:
            flag, length = self._part(place)
            first = not parts
            if (flag in (_WHOLE, _FIRST)) != first:
                raise ManifestError(f"{self.path}: byte {place}: a record begins or ends in the middle")
            parts.append(self._bytes(place + _WORDS.size, length))
            if flag in (_WHOLE, _LAST):
                return struct.pack("<I", _MAGIC).join(parts)
            place += _WORDS.size + -(-length // 4) * 4

    def _part(self, place: int) -> tuple[int, int]:
        magic, word = _WORDS.unpack(self._bytes(place, _WORDS.size))
        flag, length = word >> _FLAG, word & _LENGTH
        if magic != _MAGIC or flag > _LAST:
            raise ManifestError(
                f"{self.path}: byte {place}: no record begins there ({magic:#010x}, not {_MAGIC:#x}); "
                "the file is damaged or its .idx is another's"
            )
        return flag, length

    def _bytes(self, place: int, count: int) -> bytes:
        if place + count > self._size:
            raise ManifestError(
                f"{self.path}: byte {place}: {count} bytes are announced, {max(0, self._size - place)} left; "
                "the file is cut short or damaged"
            )
        self._file.seek(place)
        return self._file.read(count)

    def _labels(self, content: bytes, key: int) -> tuple[tuple[float, ...], int]:
        """Returns the labels at the head of a record, and where they end."""
        if len(content) < _HEADER.size:
            raise ManifestError(f"{self.path}: record {key}: {len(content)} bytes are too few for its header")
        count, label, _, _ = _HEADER.unpack_from(content)
        end = _HEADER.size + 4 * count
        if end > len(content):
            raise ManifestError(
                f"{self.path}: record {key}: announces {count} labels and is too short for them"
            )
        labels = struct.unpack_from(f"<{count}f", content, _HEADER.size) if count else (label,)
        if not all(map(math.isfinite, labels)):
            raise ManifestError(f"{self.path}: record {key}: has a label that is no finite number")
        return labels, end


def _index(path: Path) -> dict[int, int]:
    """Returns the places of records by key, from lines of key and place."""
    if not path.is_file():
        raise ManifestError(f"{path}: the index of the records is missing; unpack the data set again")
    places = {}
    for number, line in enumerate(path.read_text("ascii", errors="replace").splitlines(), start=1):
        parts = line.split()
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise ManifestError(f"{path}: line {number}: is not a record's number and place")
        places[int(parts[0])] = int(parts[1])
    if not places:
        raise ManifestError(f"{path}: holds no records; unpack the data set again")
    return dict(sorted(places.items()))
