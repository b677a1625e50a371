"""What the sources share: finding pictures in a stable order and saying what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from facetrust.errors import ManifestError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def folder_at(root: Path, what: str) -> Path:
    """Returns the root of a data set.

    Raises:
        ManifestError: it is missing, is a file, or is empty; `what` says what it should hold.
    """
    root = Path(root)
    if not root.exists():
        raise ManifestError(f"{root}: no such folder; give the one that holds {what}")
    if not root.is_dir():
        raise ManifestError(f"{root}: is not a folder; give the one that holds {what}")
    if next(root.iterdir(), None) is None:
        raise ManifestError(f"{root}: is empty; give the folder that holds {what}")
    return root


def file_at(path: Path, what: str) -> Path:
    """Returns the path of a file that a data set must have.

    Raises:
        ManifestError: it is missing; `what` says what it is.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: {what} is missing; unpack the data set again")
    return path


def json_at(path: Path, what: str) -> Any:
    """Returns what a JSON file that a data set must have holds.

    Raises:
        ManifestError: it is missing or is no JSON; `what` says what it is.
    """
    try:
        return json.loads(file_at(path, what).read_bytes())
    except (ValueError, RecursionError):
        raise ManifestError(f"{path}: is not a JSON file; unpack the data set again") from None


def folders(root: Path) -> list[Path]:
    """Returns the folders in a folder by name, without the hidden ones."""
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def pictures(root: Path, *, kinds: tuple[str, ...] = PICTURES) -> list[Path]:
    """Returns the picture files (or those with other suffixes) below a folder by path, without the hidden."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in kinds and path.is_file())
    return sorted(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
