"""`train`: its result on standard output, its progress on standard error, 130 when it is interrupted."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

RECIPE = """
task: antispoof
model: {name: timm/test_convnext, settings: {}}
preprocessing: {margins: [1.2], size: [32, 32]}
data: {manifests: [faces.csv], length: 8}
losses: {binary-cross-entropy: {weight: 1}}
trainer: {epochs: 1, batch_size: 4, workers: 0}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a manifest and a recipe."""
    rng = np.random.default_rng(9)
    lines = ["path,label,split,subject,domain,x,y,w,h"]
    for n in range(24):
        label, split = n % 2, ("train", "dev")[n >= 16]
        cv2.imwrite(str(tmp_path / f"{n}.png"), rng.integers(0, 256, (64, 64, 3), np.uint8) // (1 + label))
        lines.append(f"{n}.png,{label},{split},s{n},d{n % 3},16,16,32,32")
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def test_the_result_is_on_standard_output_and_progress_is_not(place: Path, start) -> None:
    done = start("train", "recipe.yaml", "--out", "run", cwd=place)
    assert (done.returncode, done.stdout) == (0, "run\n")
    assert "Epoch" in done.stderr
    assert (place / "run" / "card.json").is_file()


@pytest.mark.timeout(400)  # On a busy machine it takes a while until there is something to interrupt.
def test_an_interrupt_is_130_and_the_run_is_kept(place: Path, start, interrupt) -> None:
    arguments = ["train", "recipe.yaml", "--out", "run", "--set", "trainer.epochs=100000"]
    code = f"import sys; from facetrust.cli import main; sys.exit(main({arguments!r}))"
    # Progress goes to a file: a pipe that nobody reads yet would fill, and the run would wait.
    with (
        (place / "progress.txt").open("w+") as progress,
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=place, stdout=subprocess.PIPE, stderr=progress, text=True
        ) as process,
    ):
        while not (place / "run" / "checkpoints" / "last.ckpt").is_file():
            assert process.poll() is None
            time.sleep(0.1)
        out, _ = interrupt(process, every=60)  # PyTorch takes long to leave on a busy machine.
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in (place / "progress.txt").read_text()
    done = start("train", "recipe.yaml", "--out", "run", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds an unfinished run; resume it (--resume)" in done.stderr
