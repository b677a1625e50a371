"""Time of a distillation epoch with the teacher asked at every step, and with its answers replayed.

    python benchmarks/teacher_cache.py [--recipe NAME] [--epochs 3] [--set KEY=VALUE]

Two runs of one recipe, one after the other: `cache: none`, and `cache: run`, whose asking is timed apart. An
epoch's time is that of its steps, the first epoch left out. Then both students score the dev faces: the
largest and mean difference of a score tells whether they are the same student, beside the difference
that another seed makes if `--other-seed` is given.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from facetrust.evaluation.evaluate import evaluate
from facetrust.records import Scores
from facetrust.training import train
from facetrust.training.learner import Learner
from facetrust.training.recipe import load_recipe


def main() -> None:
    """Prints seconds per epoch, their ratio, the time of the asking, and how far the scores are apart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="antispoof/student-attention-nuaa")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--other-seed", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args()
    shared = [
        f"trainer.epochs={given.epochs}",
        "trainer.flags={enable_progress_bar: false}",
        *given.overrides,
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        live, live_time, _ = timed(given.recipe, [*shared, "cache=none"], root / "live")
        kept, kept_time, asked = timed(given.recipe, [*shared, "cache=run"], root / "kept")
        print(f"teacher asked at every step: {live_time:.1f} s per epoch")
        print(f"answers replayed: {kept_time:.1f} s per epoch, {kept_time / live_time:.2f} of that")
        print(f"asking once: {asked:.1f} s in all")
        apart("replayed against asked", live, kept)
        if given.other_seed:
            other, _, _ = timed(given.recipe, [*shared, "cache=none", "seed=1"], root / "other")
            apart("another seed against asked", live, other)


def timed(recipe: str, overrides: list[str], out: Path) -> tuple[np.ndarray, float, float]:
    """Returns the dev scores of a run, the median seconds of its epochs, and those of asking its teachers."""
    marks: list[tuple[float, float]] = []
    asking: list[float] = []
    ask = train.ask

    def watched(*args: Any, **settings: Any) -> None:
        start = time.perf_counter()
        ask(*args, **settings)
        asking.append(time.perf_counter() - start)

    starts: list[float] = []
    with (
        patch.object(train, "ask", watched),
        patch.object(
            Learner, "on_train_epoch_start", lambda _: starts.append(time.perf_counter()), create=True
        ),
        patch.object(
            Learner,
            "on_validation_epoch_start",
            lambda _: marks.append((starts[-1], time.perf_counter())),
            create=True,
        ),
    ):
        made = load_recipe(recipe, overrides)
        train.train(made, out=out)
    scores = [
        Scores.read(evaluate(out, path, split="dev", out=out / f"scores-{number}", baselines=False)).scores
        for number, path in enumerate(made.data.manifests)
    ]
    times = [end - start for start, end in marks[1:]]
    return np.concatenate(scores), float(np.median(times)), sum(asking)


def apart(title: str, first: np.ndarray, second: np.ndarray) -> None:
    """Prints how far two students' scores of the same faces are apart."""
    gap = np.abs(first - second)
    agreement = np.corrcoef(first, second)[0, 1]
    print(
        f"{title}: scores differ by {gap.max():.4f} at most, {gap.mean():.4f} on average, r {agreement:.4f}"
    )


if __name__ == "__main__":
    main()
