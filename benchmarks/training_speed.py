"""Images per second of a recipe's training against its bare model loop on a fixed batch, in one run.

python benchmarks/training_speed.py [--recipe antispoof/student-nuaa-plain] [--manifest M] [--epochs 3]

Bare: forward, backward and optimizer step, batch in memory. Loader: the recipe's workers alone. Real: `train`,
from the first to the last step of each epoch but the first, validation left out. Where the loader is slower than
the model, no loop can reach the bare speed: then real / min(bare, loader) tells what the loop itself costs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from facetrust import models, train
from facetrust._learner import Learner
from facetrust.data.manifest import Manifest
from facetrust.recipe import Recipe, load_recipe
from facetrust.records import Sample
from facetrust.tasks.antispoof import antispoof


def main() -> None:
    """Prints three speeds and two ratios."""
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
        real = real_speed(recipe, Path(folder) / "run")
        loader = loader_speed(recipe)
        bare = bare_speed(recipe)
    print(f"bare    {bare:8.1f} images/s\nloader  {loader:8.1f} images/s\nreal    {real:8.1f} images/s")
    print(
        f"real / bare              {real / bare:.2f}\nreal / min(bare, loader) {real / min(bare, loader):.2f}"
    )


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


def real_speed(recipe: Recipe, out: Path) -> float:
    """Returns the median over epochs of images per second inside `train`."""
    stamps: dict[int, list[float]] = {}
    follow = Learner.on_train_batch_end

    def noted(self: Learner, *args: object) -> None:
        follow(self, *args)
        stamps.setdefault(self.current_epoch, []).append(time.perf_counter())

    Learner.on_train_batch_end = noted  # type: ignore[method-assign]
    train.train(recipe, out=out)
    Learner.on_train_batch_end = follow  # type: ignore[method-assign]
    spans = [times for epoch, times in stamps.items() if epoch > 0]
    return float(np.median([(len(t) - 1) * recipe.trainer.batch_size / (t[-1] - t[0]) for t in spans]))


def loader_speed(recipe: Recipe) -> float:
    """Returns images per second of the workers with nobody in their way."""
    sources = train._read(recipe.data)
    loader, _ = train._loaders(recipe, sources, {"student": recipe.preprocessing}, shard=(0, 1))
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
    task = antispoof(model.to(device).train())
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
    start, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        step()
        count += len(images)
        if device == "cuda":
            torch.cuda.synchronize()
    return count / spent


if __name__ == "__main__":
    main()
