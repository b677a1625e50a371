from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Path]:
    """Lays empty files (or files with text, by keyword-less mapping) below a fresh root."""

    def make(*names: str, **texts: str) -> Path:
        root = tmp_path / "root"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        for name, text in texts.items():
            root.mkdir(exist_ok=True)
            (root / name.replace("__", ".")).write_text(text)
        return root

    return make
