"""Where a training's time goes, stage by stage, and its speed against its bare model loop, in one run.

    python benchmarks/training_speed.py [--recipe antispoof/student-nuaa-plain] [--manifest M] [--rounds 3]

By turns in each round: what the loader takes for a picture, alone in this process: `read` its bytes, `decode`
them, `simulate` an attack or another change of the picture, `augment`, `crop`, `tensor` (levels to floats),
`collate`, and the `rest` (with `--set trainer.decoded=FOLDER`, of pictures that are there already); then

bare    forward, backward and optimizer step, the batch in memory
loop    `train` with one batch in memory: what Lightning, averaging, clipping and logging add
real    `train` as it is, from the first to the last step of each epoch but the first

On a CPU all of it is processor time of one process, in milliseconds a picture, which a busy machine blurs
less than the clock; `real` is that of the process that trains, which also takes batches over from the
workers. Where every process has a core, the slowest sets the speed: `real / bare` is the time of `bare`
over that of `real`, or of the loader by all workers, whichever is longer. `clock` is the same ratio by the
clock of this machine, with what else runs on it. Medians over rounds. On a GPU all but the stages is by the
clock.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch

from facetrust import models
from facetrust.data import batches, dataset
from facetrust.data.batches import collate
from facetrust.data.dataset import FaceData
from facetrust.data.decoded import Decoded
from facetrust.data.manifest import Manifest
from facetrust.imaging import crop, pixels
from facetrust.records import Sample
from facetrust.tasks.antispoof.objective import objective as antispoof
from facetrust.training import train
from facetrust.training.learner import Learner
from facetrust.training.loading import order_of, read_sources
from facetrust.training.recipe import Recipe, load_recipe

Clock = Callable[[], float]
CLOCK: Clock = time.perf_counter if torch.cuda.is_available() else time.process_time
# Where each stage's time is spent; what one calls of another counts for the other.
STAGES = [
    ("read", crop, "read_bytes"),
    ("read", pixels, "read_bytes"),
    ("read", Decoded, "__call__"),
    ("decode", crop, "decode_image"),
    ("decode", crop, "decode_plain_png"),
    ("decode", pixels, "decode_image"),
    ("simulate", FaceData, "_shown"),
    ("augment", FaceData, "_augmented"),
    ("crop", dataset, "crops_of"),
    ("tensor", dataset, "_stack"),
    ("collate", batches, "collate"),
]


def main() -> None:
    """Prints a table of stages, one of speeds, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="antispoof/student-nuaa-plain")
    parser.add_argument("--manifest", type=Path, help="real pictures; noise of 160 pixels if not given")
    parser.add_argument("--pictures", type=int, default=256, help="that the stages are measured on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args()
    cv2.setNumThreads(0)
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        manifest = given.manifest or noise(Path(folder))
        recipe = load_recipe(
            given.recipe,
            [
                f"data.manifests=['{manifest}']",
                "data.extra=[]",
                "data.length=null",
                "data.shares={}",
                "teachers=[]",
                "losses={binary-cross-entropy: {weight: 1}}",
                f"trainer.epochs={given.epochs}",
                "trainer.flags={enable_progress_bar: false}",
                *given.overrides,
            ],
        )
        turns = []
        for number in range(given.rounds):
            turns.append(turn(recipe, Path(folder) / str(number), given.pictures))
            print(f"round {number + 1}: " + ", ".join(f"{name} {ms:.3f}" for name, ms in turns[-1].items()))
    show({name: float(np.median([each[name] for each in turns])) for name in turns[0]}, recipe)


def show(spent: dict[str, float], recipe: Recipe) -> None:
    """Prints what a turn found, and the ratios."""
    names = dict.fromkeys([*(stage for stage, _, _ in STAGES), "rest"])
    stages = {name: spent.get(name, 0.0) for name in names}
    loader = sum(stages.values())
    for name, ms in stages.items():
        print(f"{name:9}{ms:7.3f} ms{ms / loader:7.1%}")
    print(f"{'loader':9}{loader:7.3f} ms")
    for name in ("bare", "loop", "real"):
        print(f"{name:9}{spent[name]:7.3f} ms")
    share = loader / max(recipe.trainer.workers, 1)
    alone = 0.0 if recipe.trainer.workers else loader
    print(f"bare / loop    {spent['bare'] / spent['loop']:.2f}")
    print(f"bare / loader  {spent['bare'] / share:.2f}")
    print(f"real / bare    {spent['bare'] / max(spent['real'] + alone, share):.2f}")
    print(f"clock          {spent['bare clock'] / spent['real clock']:.2f}")


def noise(folder: Path, count: int = 1280) -> Path:
    """Returns a manifest of random pictures, one in five of them for development."""
    numbers = np.random.default_rng(0)
    rows = []
    for index in range(count):
        levels = cv2.resize(numbers.integers(0, 255, (40, 40, 3)).astype(np.uint8), (160, 160))
        cv2.imwrite(str(folder / f"{index}.png"), levels)
        split = "dev" if index % 10 < 2 else "train"
        rows.append(Sample(path=f"{index}.png", label=index % 2, split=split, x=40, y=40, w=80, h=80))
    Manifest.write(rows, folder / "noise.parquet")
    return folder / "noise.parquet"


def stages_of(recipe: Recipe, count: int) -> dict[str, float]:
    """Returns the milliseconds of processor time a picture that each stage of loading takes."""
    sources = read_sources(recipe.data)
    data = FaceData(
        sources.train, views={"student": recipe.preprocessing}, seed=recipe.seed, training=True,
        read=Decoded(recipe.trainer.decoded) if recipe.trainer.decoded else crop.read_sample,
        **dict(recipe.data.augment),
    )  # fmt: skip
    keys = (list(order_of(recipe, sources)) * (1 + count // len(sources.train)))[:count]
    batch = recipe.trainer.batch_size or 64
    # The first ones open and compile what the others use; what is kept decoded was decoded before.
    for key in keys if recipe.trainer.decoded else keys[:batch]:
        data[key]
    spent: dict[str, float] = {}
    inner: list[float] = []

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **settings: Any) -> Any:
            start = time.process_time()
            inner.append(0.0)
            try:
                return work(*args, **settings)
            finally:
                took = time.process_time() - start
                spent[stage] = spent.get(stage, 0.0) + took - inner.pop()
                if inner:
                    inner[-1] += took

        return measured

    def load() -> None:
        for start in range(0, count, batch):
            batches.collate([data[key] for key in keys[start : start + batch]])

    with ExitStack() as stack:
        for stage, place, name in STAGES:
            if hasattr(place, name):
                stack.enter_context(patch.object(place, name, timed(stage, getattr(place, name))))
        timed("rest", load)()
    return {stage: 1e3 * seconds / count for stage, seconds in spent.items()}


def turn(recipe: Recipe, out: Path, pictures: int) -> dict[str, float]:
    """Returns milliseconds a picture: of each stage, of bare, loop and real, and of two by the clock."""
    found = stages_of(recipe, pictures)
    found["bare"], found["bare clock"] = bare_speed(recipe)
    found["loop"], _ = run_speed(recipe, out / "loop", cached=True)
    found["real"], found["real clock"] = run_speed(recipe, out / "real")
    return found


def run_speed(recipe: Recipe, out: Path, *, cached: bool = False) -> tuple[float, float]:
    """Returns milliseconds a picture in `train`, of `CLOCK` and of the clock; `cached`: of one batch."""
    stamps: dict[int, list[tuple[float, float]]] = {}
    follow, loaders = Learner.on_train_batch_end, train.loaders

    def noted(self: Learner, *args: Any) -> None:
        follow(self, *args)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        stamps.setdefault(self.current_epoch, []).append((CLOCK(), time.perf_counter()))

    def one_batch(*args: Any, **settings: Any) -> tuple[Any, Any]:
        training, dev = loaders(*args, **settings)
        whole = [training.dataset[key] for key in list(training.sampler)[: training.batch_size]]
        return _Again(collate(whole), len(training)), dev

    def little_dev(*args: Any) -> Any:
        sources = read_sources(*args)
        return sources._replace(dev=sources.dev[:: max(1, len(sources.dev) // 64)])

    feed = {"loaders": one_batch if cached else loaders, "read_sources": little_dev}
    with patch.object(Learner, "on_train_batch_end", noted), patch.multiple(train, **feed):
        train.train(recipe, out=out)
    spans = np.array([np.array([times[0], times[-1]]) for epoch, times in stamps.items() if epoch > 0])
    steps = len(next(iter(stamps.values()))) - 1
    spent = np.median(spans[:, 1] - spans[:, 0], axis=0) * 1e3 / (steps * (recipe.trainer.batch_size or 64))
    return float(spent[0]), float(spent[1])


class _Again:
    """One batch, so many times. Lightning would take a list for several loaders."""

    def __init__(self, batch: dict[str, Any], count: int) -> None:
        self.batch = batch
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([self.batch] * self.count)


def bare_speed(recipe: Recipe, steps: int = 6) -> tuple[float, float]:
    """Returns milliseconds a picture of forward, backward and step, of `CLOCK` and of the clock."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = models.create_model(
        recipe.model.name, image_size=recipe.preprocessing.size, **recipe.model.settings
    )
    task = antispoof(model.to(device, memory_format=torch.channels_last).train())  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-4)
    size = recipe.trainer.batch_size or 64
    images = torch.randn(size, 1, 3, *recipe.preprocessing.size, device=device)
    batch = {"views": {"student": images}, "target": (torch.arange(size, device=device) % 2).float()}

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, enabled=device == "cuda", dtype=torch.float16):
            loss = task(batch)["loss"]
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):  # Slower than those that follow.
        step()
    start = CLOCK(), time.perf_counter()
    for _ in range(steps):
        step()
    spent = np.array([CLOCK() - start[0], time.perf_counter() - start[1]]) * 1e3 / (steps * size)
    return float(spent[0]), float(spent[1])


if __name__ == "__main__":
    main()
