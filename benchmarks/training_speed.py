"""Images per second of a recipe's training against its bare model loop on a fixed batch, in one run.

    python benchmarks/training_speed.py [--recipe antispoof/student-nuaa-plain] [--manifest M] [--epochs 3]

bare    forward, backward and optimizer step, the batch in memory
loop    `train` with the same batch in memory: what Lightning, averaging and logging cost
loader  the recipe's workers alone
real    `train` as it is, from the first to the last step of each epoch but the first

Bare and loop are per second of processor time on a CPU, so that a busy machine does not blur them; the
others are per second of the clock. Where the loader is slower than the model, no loop reaches the bare speed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch

from facetrust import models
from facetrust.data.manifest import Manifest
from facetrust.records import Sample
from facetrust.tasks.antispoof.objective import objective as antispoof
from facetrust.training import train
from facetrust.training.assembly import Assembly
from facetrust.training.learner import Learner
from facetrust.training.loading import order_of, read_sources
from facetrust.training.recipe import Recipe, load_recipe

Clock = Callable[[], float]
CLOCK: Clock = time.perf_counter if torch.cuda.is_available() else time.process_time


def main() -> None:
    """Prints four speeds and three ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="antispoof/student-nuaa-plain")
    parser.add_argument("--manifest", type=Path, help="real pictures; noise of 160 pixels if not given")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = given.manifest or noise(Path(folder))
        recipe = load_recipe(
            given.recipe,
            [
                f"data.manifests=['{manifest}']",
                "data.extra=[]",
                "data.length=null",
                "teachers=[]",
                "losses={supervised: 1}",
                f"trainer.epochs={given.epochs}",
                "trainer.flags={enable_progress_bar: false}",
                *given.overrides,
            ],
        )
        bare = bare_speed(recipe)
        loop = run_speed(recipe, Path(folder) / "loop", clock=CLOCK, cached=True)
        loader = loader_speed(recipe)
        real = run_speed(recipe, Path(folder) / "real")
    for name, speed in {"bare": bare, "loop": loop, "loader": loader, "real": real}.items():
        print(f"{name:8}{speed:8.1f} images/s")
    print(f"loop / bare              {loop / bare:.2f}")
    print(f"real / bare              {real / bare:.2f}")
    print(f"real / min(bare, loader) {real / min(bare, loader):.2f}")


def noise(folder: Path, count: int = 1280) -> Path:
    """Returns a manifest of random pictures, one in ten of them for development."""
    numbers = np.random.default_rng(0)
    rows = []
    for index in range(count):
        pixels = cv2.resize(numbers.integers(0, 255, (40, 40, 3)).astype(np.uint8), (160, 160))
        cv2.imwrite(str(folder / f"{index}.png"), pixels)
        split = "dev" if index % 10 < 2 else "train"
        rows.append(Sample(path=f"{index}.png", label=index % 2, split=split, x=40, y=40, w=80, h=80))
    Manifest.write(rows, folder / "noise.parquet")
    return folder / "noise.parquet"


def run_speed(recipe: Recipe, out: Path, *, clock: Clock = time.perf_counter, cached: bool = False) -> float:
    """Returns the median over epochs of images per second in `train`; `cached`: of one batch all along."""
    stamps: dict[int, list[float]] = {}
    follow, loaders = Learner.on_train_batch_end, train.loaders

    def noted(self: Learner, *args: Any) -> None:
        follow(self, *args)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        stamps.setdefault(self.current_epoch, []).append(clock())

    def one_batch(*args: Any, **settings: Any) -> tuple[Any, Any]:
        training, dev = loaders(*args, **settings)
        return _Again(next(iter(training)), len(training)), dev

    feed = patch.object(train, "loaders", one_batch if cached else loaders)
    with patch.object(Learner, "on_train_batch_end", noted), feed:
        train.train(recipe, out=out)
    spans = [times for epoch, times in stamps.items() if epoch > 0]
    return float(np.median([(len(t) - 1) * recipe.trainer.batch_size / (t[-1] - t[0]) for t in spans]))


class _Again:
    """One batch, so many times. Lightning would take a list for several loaders."""

    def __init__(self, batch: dict[str, Any], count: int) -> None:
        self.batch = batch
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([self.batch] * self.count)


def loader_speed(recipe: Recipe) -> float:
    """Returns images per second of the workers with nobody in their way."""
    sources = read_sources(recipe.data)
    made = Assembly(torch.nn.Identity(), {"student": recipe.preprocessing}, (), 0, {})
    loader, _ = train.loaders(recipe, sources, made, order_of(recipe, sources), None, (0, 1))
    for _ in loader:
        pass
    start, count = time.perf_counter(), 0
    for batch in loader:
        count += len(batch["label"])
    return count / (time.perf_counter() - start)


def bare_speed(recipe: Recipe, seconds: float = 10.0) -> float:
    """Returns images per second of forward, backward and step on one batch in memory."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = models.create_model(
        recipe.model.name, image_size=recipe.preprocessing.size, **recipe.model.settings
    )
    task = antispoof(model.to(device, memory_format=torch.channels_last).train())
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-4)
    images = torch.randn(recipe.trainer.batch_size, 1, 3, *recipe.preprocessing.size, device=device)
    batch = {"views": {"student": images}, "label": (torch.arange(len(images), device=device) % 2).float()}

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, enabled=device == "cuda", dtype=torch.float16):
            loss = task(batch)["loss"]
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    start, count = CLOCK(), 0
    while (spent := CLOCK() - start) < seconds:
        step()
        count += len(images)
        if device == "cuda":
            torch.cuda.synchronize()
    return count / spent


if __name__ == "__main__":
    main()
