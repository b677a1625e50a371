"""Where the user's own files lie: those that can be made again, and models pulled or imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Returns the folder for files that can be built again: `FACETRUST_CACHE`, or the platform's own."""
    return _given("FACETRUST_CACHE") or _users("XDG_CACHE_HOME", ".cache", mac="Caches") / "facetrust"


def model_folder() -> Path:
    """Returns the folder of pulled and imported models: `FACETRUST_MODELS`, or the platform's for data."""
    users = _users("XDG_DATA_HOME", ".local/share", mac="Application Support")
    return _given("FACETRUST_MODELS") or users / "facetrust" / "models"


def _given(variable: str) -> Path | None:
    given = os.environ.get(variable)
    return Path(given).expanduser() if given else None


def _users(variable: str, usual: str, *, mac: str) -> Path:
    """The folder of all programs' files of a kind."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / mac
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get(variable) or Path.home() / usual)
