"""What is made in several goes remembers its settings, so that others are not mixed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from facetrust.errors import UsageError
from facetrust.records.files import write_text


def require_same_settings(file: Path, settings: Mapping[str, object], *, what: str = "pictures") -> None:
    """Writes the settings into a JSON file among what is made, or checks that those in it are the same.

    Raises:
        UsageError: what lies there was made with other settings, or the file is damaged.
    """
    if not file.exists():
        write_text(file, json.dumps(settings, indent=2) + "\n")
        return
    folder = file.parent
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        changed = [key for key in settings if known.get(key) != settings[key]]
    except (ValueError, RecursionError, AttributeError):
        raise UsageError(f"{file}: is damaged; remove {folder} or give another --out") from None
    if changed:
        key = changed[0]
        raise UsageError(
            f"{folder}: holds {what} made with {key} {known.get(key)!r}, not {settings[key]!r}; "
            "remove it or give another --out"
        )
