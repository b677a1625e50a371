"""Files on disk: written whole or not at all, and known by their SHA-256."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


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
