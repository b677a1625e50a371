from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facetrust.imaging.video import VIDEOS


@pytest.fixture(scope="session")
def clip(film: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], bytes]:
    """The bytes of a video of so many grey frames."""

    def make(count: int) -> bytes:
        frames = [np.full((16, 32, 3), number, dtype=np.uint8) for number in range(count)]
        return film(tmp_path_factory.mktemp("clip") / "clip.avi", frames).read_bytes()

    return make


@pytest.fixture
def plant(tmp_path: Path, clip: Callable[[int], bytes]) -> Callable[..., Path]:
    """Lays empty files (or files with text, by keyword-less mapping) below a fresh root.

    Videos have twenty frames.
    """

    def make(*names: str, **texts: str) -> Path:
        root = tmp_path / "root"
        film = clip(20) if any(name.endswith(VIDEOS) for name in names) else b""
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(film if name.endswith(VIDEOS) else b"")
        for name, text in texts.items():
            root.mkdir(exist_ok=True)
            (root / name.replace("__", ".")).write_text(text)
        return root

    return make
