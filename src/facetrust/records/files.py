"""Files on disk: written whole or not at all, known by their SHA-256; and names as they can be shown."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Control characters, those that turn the direction of writing or end a line, and halves of characters.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(name: str) -> str:
    """Returns a name as it can be printed: control characters and bytes that are not UTF-8 are escaped."""
    return _UNSHOWABLE.sub(lambda found: _escaped(ord(found[0])), name)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # How Python carries a byte of a name that is not UTF-8.
        return f"\\x{code - 0xDC00:02x}"
    return chr(code).encode("unicode_escape").decode()


def sha256_of(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes a file beside `path`, then renames it, so that a full disk leaves the old file as it was.

    Libraries write into memory and not to the disk, for some say nothing of an error there, others too much.

    Raises:
        OSError: it cannot be written; the error names the file, and nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with named(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Gives an error of the disk the name of the file that was to be written."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def hold(path: Path, *, wait: bool = True) -> IO[bytes]:
    """Returns a file that one process at a time can hold: until it is closed, or the process ends.

    A system without such locks (Windows) lets everyone have it.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
        OSError: it cannot be written; the error names the file.
    """
    with named(path):
        file = path.open("ab")
    try:
        import fcntl
    except ModuleNotFoundError:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        file.close()
        raise
    return file


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    write_whole(path, text.encode())


def write_unreadable(
    path: Path, rows: Sequence[tuple[str, str]], *, columns: tuple[str, str] = ("sample", "reason")
) -> Path | None:
    """Returns `path`, a CSV file with one row per picture that could not be used, and why; None without rows.

    An older file of that name is removed where there are no rows.
    """
    if not rows:
        path.unlink(missing_ok=True)
        return None
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_text(path, text.getvalue())
    return path
