"""Training on two processes, which a program starts for itself (gloo, on the CPU)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch

from facetrust.data.manifest import Manifest
from facetrust.errors import UsageError
from facetrust.models import create_model, load_checkpoint
from facetrust.records import Sample
from facetrust.training.learner import Learner
from facetrust.training.loading import loaders, order_of, read_sources
from facetrust.training.recipe import Recipe, check_recipe
from facetrust.training.train import train

PROGRAM = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from test_processes import NORMALISED, noted, recipe_of
from facetrust import cli
from facetrust.training.train import train

folder = Path(sys.argv[2])
with noted(folder / "two"):
    cli.main(["train", str(folder / "two.yaml"), "--out", str(folder / "two")])
train(recipe_of(folder, "whole.csv", devices=2), out=folder / "by-one-and-two", resume=True)
train(recipe_of(folder, "whole.csv", devices=2), out=folder / "by-two-and-one", stop_after=1)
broken = recipe_of(folder, "broken.csv", devices=2, epochs=1, batch=2, model=NORMALISED, balance=False)
with noted(folder / "broken"):
    train(broken, out=folder / "broken")
"""
ROWS = 45
PLAIN: dict[str, Any] = {"name": "timm/test_convnext"}  # Neither dropout nor statistics of a batch.
NORMALISED = {"name": "timm/mobilenetv4_conv_small_035", "settings": {"stage": 2}}
BROKEN = (
    "0.png",
    "3.png",
    "14.png",
)  # Two of training, each of them all that a process gets; one of dev.


def recipe_of(
    folder: Path,
    manifest: str,
    *,
    devices: int = 1,
    epochs: int = 2,
    batch: int = 8,
    model: dict[str, Any] = PLAIN,
    **data: Any,
) -> Recipe:
    flags = {"enable_progress_bar": False, "accelerator": "cpu", "devices": devices}
    content = {
        "name": "tiny",
        "task": "antispoof",
        "model": model,
        "preprocessing": {"size": [32, 32]},
        "data": {"manifests": [str(folder / manifest)], **data},
        "optimizer": {"lr": 0.01},
        "trainer": {
            "epochs": epochs,
            "batch_size": batch,
            "workers": 0,
            "flags": {**flags, **({"strategy": "ddp"} if devices > 1 else {})},
        },
    }
    return check_recipe(content, "test")


@contextmanager
def noted(folder: Path) -> Iterator[None]:
    """Writes each process's keys, step by step, and its development rows, to files beside a run."""
    train_step, dev_step, end = Learner.training_step, Learner.validation_step, Learner.on_train_end
    steps: list[list[int]] = []
    dev: list[int] = []

    def training_step(self: Learner, batch: dict[str, Any], index: int) -> Any:
        steps.append(batch["key"].tolist())
        return train_step(self, batch, index)

    def validation_step(self: Learner, batch: dict[str, Any], index: int, dataloader_idx: int = 0) -> None:
        dev.extend(batch["index"].tolist())
        dev_step(self, batch, index, dataloader_idx)

    def on_train_end(self: Learner) -> None:
        end(self)
        buffers = {name: value.tolist() for name, value in self.kept.named_buffers()}
        said = {"steps": steps, "dev": dev, "figures": self.best["figures"], "buffers": buffers}
        Path(f"{folder}-{self.global_rank}.json").write_text(json.dumps(said))

    watched = {"training_step": training_step, "validation_step": validation_step}
    with patch.multiple(Learner, **watched, on_train_end=on_train_end):
        yield


class Runs(NamedTuple):
    folder: Path
    output: str

    def said(self, run: str) -> list[dict[str, Any]]:
        """What each process of a run noted, in the order of their ranks."""
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob(f"{run}-[01].json"))]

    def last(self, run: str) -> dict[str, Any]:
        """The checkpoint of a run's last epoch."""
        found: dict[str, Any] = torch.load(self.folder / run / "checkpoints" / "last.ckpt", weights_only=True)
        return found

    def trained(self, run: str) -> torch.Tensor:
        """All weights of a run in one row."""
        weights = self.last(run)["state_dict"]
        return torch.cat([value.flatten() for name, value in weights.items() if name.startswith("task.")])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(ROWS):
        picture = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
        label = number % 2
        cv2.imwrite(str(folder / f"{number}.png"), cv2.GaussianBlur(picture, (0, 0), 2) if label else picture)
        split = "dev" if number % 5 == 4 else "train"
        rows.append(Sample(path=f"{number}.png", label=label, split=split, domain="noise"))
    Manifest.write(rows, folder / "whole.csv")
    lost = [row.model_copy(update={"path": f"no-{row.path}"}) if row.path in BROKEN else row for row in rows]
    Manifest.write(lost[:20], folder / "broken.csv")
    with noted(folder / "one"):
        train(recipe_of(folder, "whole.csv"), out=folder / "one")
    train(recipe_of(folder, "whole.csv"), out=folder / "by-one-and-two", stop_after=1)
    (folder / "two.yaml").write_text(recipe_of(folder, "whole.csv", devices=2).to_yaml())
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(folder / "program.py"), str(Path(__file__).parent), str(folder)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, start_new_session=True) as program:
        try:
            output, errors = program.communicate()
        finally:  # Neither process is left behind by a test that is ended.
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
    assert program.returncode == 0, errors
    train(recipe_of(folder, "whole.csv"), out=folder / "by-two-and-one", resume=True)
    return Runs(folder, output)


def test_at_each_step_two_processes_see_what_one_sees(runs: Runs) -> None:
    (one,), (first, second) = runs.said("one"), runs.said("two")
    assert len(one["steps"]) == 2 * (36 // 8)
    for whole, left, right in zip(one["steps"], first["steps"], second["steps"], strict=True):
        assert len(left) == len(right) == 4
        assert sorted(left + right) == sorted(whole)
        assert not set(left) & set(right) or len(set(whole)) < 8  # drawn with replacement


def test_every_development_row_is_scored_once(runs: Runs) -> None:
    (one,), (first, second) = runs.said("one"), runs.said("two")
    assert one["dev"] == 2 * list(range(9))
    assert (first["dev"], second["dev"]) == (2 * [0, 2, 4, 6, 8], 2 * [1, 3, 5, 7])
    assert len(runs.last("two")["best"]["outputs"]) == 9


def test_weights_and_figures_are_those_of_one_process(runs: Runs) -> None:
    torch.manual_seed(0)
    start = torch.cat([value.flatten() for value in create_model(PLAIN["name"]).state_dict().values()])
    assert (runs.trained("one") - start).abs().mean() > 1e-3
    torch.testing.assert_close(runs.trained("two"), runs.trained("one"), atol=1e-4, rtol=0)
    one, two = runs.last("one")["best"], runs.last("two")["best"]
    assert two["figures"] == pytest.approx(one["figures"], abs=1e-4)
    torch.testing.assert_close(two["outputs"], one["outputs"], atol=1e-3, rtol=0)
    assert torch.equal(two["targets"], one["targets"])
    assert [said["figures"] for said in runs.said("two")] == [two["figures"]] * 2
    cards = [load_checkpoint(runs.folder / run)[1] for run in ("one", "two")]
    assert cards[1].thresholds[0].value == pytest.approx(cards[0].thresholds[0].value, abs=1e-3)


@pytest.mark.parametrize("run", ["by-one-and-two", "by-two-and-one"])
def test_a_run_goes_on_with_another_number_of_processes(runs: Runs, run: str) -> None:
    torch.testing.assert_close(runs.trained(run), runs.trained("one"), atol=1e-4, rtol=0)
    one, found = runs.last("one")["best"], runs.last(run)["best"]
    assert found["figures"] == pytest.approx(one["figures"], abs=1e-4)
    torch.testing.assert_close(found["outputs"], one["outputs"], atol=1e-3, rtol=0)


def test_only_the_first_process_writes_and_tells(runs: Runs) -> None:
    assert runs.output.splitlines() == [str(runs.folder / "two")]
    (log,) = (runs.folder / "two").rglob("metrics.csv")
    epochs = [line for line in log.read_text().splitlines()[1:] if line]
    assert len(epochs) == len(next((runs.folder / "one").rglob("metrics.csv")).read_text().splitlines()) - 1
    files = ({file.name for file in (runs.folder / run).iterdir()} for run in ("one", "two"))
    assert next(files) == next(files)


def test_a_process_without_a_picture_waits_for_the_other(runs: Runs) -> None:
    """Of batches of one picture a process; what neither could read is told."""
    first, second = runs.said("broken")
    assert len(first["steps"]) == len(second["steps"]) == 8
    assert any(not left or not right for left, right in zip(first["steps"], second["steps"], strict=True))
    told = (runs.folder / "broken" / "unreadable.csv").read_text()
    assert [Path(line.split(",")[0]).name for line in told.splitlines()[1:]] == [
        f"no-{name}" for name in sorted(BROKEN)
    ]


def test_running_statistics_are_the_same_in_both_processes(runs: Runs) -> None:
    first, second = runs.said("broken")
    assert any("running_mean" in name for name in first["buffers"])
    assert first["buffers"] == second["buffers"]
    assert first["figures"] == second["figures"]


@pytest.mark.parametrize(
    ("changes", "shard", "message"),
    [
        ({"batch": 9}, (0, 2), "2 processes cannot share 9 evenly; give a multiple of 2"),
        (
            {"batch": 6, "augment": {"pairs": True, "species": ["self-blend"]}},
            (0, 2),
            "cannot share 6 evenly; give a multiple of 4",
        ),
        ({"batch": 20}, (0, 10), "9 development rows are too few for 10 processes"),
    ],
)
def test_what_cannot_be_shared_is_said(
    runs: Runs, changes: dict[str, Any], shard: tuple[int, int], message: str
) -> None:
    from facetrust.data.targets import Labels
    from facetrust.training.assembly import Assembly

    recipe = recipe_of(runs.folder, "whole.csv", **changes)
    sources = read_sources(recipe.data)
    made = Assembly(torch.nn.Identity(), {"student": recipe.preprocessing}, (), 0, {})
    with pytest.raises(UsageError, match=message):
        loaders(recipe, sources, made, order_of(recipe, sources), None, shard, Labels())
