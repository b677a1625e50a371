"""What the tests of the command line share."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def start() -> Callable[..., Done]:
    """Runs the command line in a process of its own; `lacking` are packages that are not installed there."""

    def started(*arguments: object, lacking: tuple[str, ...] = (), **settings) -> Done:
        code = (
            "import sys\n"
            "class Refuse:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {lacking!r}: raise ModuleNotFoundError(name, name=name)\n"
            "sys.meta_path.insert(0, Refuse())\n"
            "from facetrust.cli import main\n"
            f"sys.exit(main({[str(argument) for argument in arguments]!r}))"
        )
        if "stdout" not in settings:
            settings |= {"capture_output": True}
        return subprocess.run([sys.executable, "-c", code], check=False, **{"text": True, **settings})

    return started


@pytest.fixture(scope="session")
def interrupt() -> Callable[..., tuple[str, str]]:
    """Presses ^C until a process ends, for Python may lose one in a finalizer; gives what it printed."""

    def press(process: subprocess.Popen[str], *, every: float = 20) -> tuple[str, str]:
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            try:
                return process.communicate(timeout=every)
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        raise AssertionError(f"it goes on: {process.communicate()}")

    return press


@pytest.fixture
def pictures(tmp_path: Path, photo: Path) -> Path:
    """A folder: a face, a whitened one, and an empty wall."""
    face = np.asarray(Image.open(photo))
    folder = tmp_path / "pictures"
    (folder / "b").mkdir(parents=True)
    Image.fromarray(face).save(folder / "a.png")
    Image.fromarray(128 + face // 2).save(folder / "b" / "white.png")
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(folder / "wall.png")
    return folder


@pytest.fixture
def another(tmp_path: Path, bright_model: Path) -> Callable[..., Path]:
    """Writes the bright model again with another card: for another task, threshold, or only advisory."""

    def write(task: str, threshold: float, **changes) -> Path:
        path = tmp_path / f"{task}{threshold}.onnx"
        path.write_bytes(bright_model.read_bytes())
        card = json.loads(bright_model.with_suffix(".json").read_text())
        card["task"] = task
        card["thresholds"][0]["value"] = threshold
        path.with_suffix(".json").write_text(json.dumps({**card, **changes}))
        return path

    return write
