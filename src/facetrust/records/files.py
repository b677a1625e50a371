"""Files on disk: written whole or not at all, and known by their SHA-256."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def sha256_of(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write` with a path beside `path`, then renames it, so that no half-written file is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


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
