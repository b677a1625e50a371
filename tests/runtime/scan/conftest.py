"""What the tests of scans share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facetrust.runtime.scan import run


@pytest.fixture(autouse=True)
def _toy_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports what opens its checker by name."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of files whose content is a word for the toy checker, and all different."""

    def write(*words: str, **more: str) -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir(exist_ok=True)
        for number, word in enumerate(words):
            (folder / f"{number:03}.png").write_text(f"{word} {number}")
        for name, text in more.items():
            (folder / f"{name}.png").write_text(text)
        return folder

    return write


@pytest.fixture
def scan(tmp_path: Path) -> Callable[..., run.Scanned]:
    """Scans with the toy checker and one worker into `out`, as JSON lines beside Parquet."""

    def scanned(source: Path, out: str = "out", **settings: Any) -> run.Scanned:
        from toy_checker import Opener

        delay = settings.pop("delay", 0.0)
        given = {"workers": 1, "jsonl": True, "open_checker": Opener(tmp_path / "notes", delay)}
        return run.scan(source, tmp_path / out, **(given | settings))

    return scanned


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The rows of a scan in order, which are the same in both forms."""

    def read(out: str = "out") -> list[dict[str, Any]]:
        import polars as pl

        lines = [
            json.loads(line)
            for part in sorted((tmp_path / out / "parts").glob("*.jsonl"))
            for line in part.read_text().splitlines()
        ]
        assert pl.read_parquet(tmp_path / out / "parts" / "*.parquet").to_dicts() == lines
        return lines

    return read


@pytest.fixture
def noted(tmp_path: Path) -> Callable[[], list[str]]:
    """The names of the files that a checker was given, in order."""
    return lambda: (tmp_path / "notes").read_text().split()
