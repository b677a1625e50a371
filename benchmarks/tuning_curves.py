"""What tuning by a reward does over the epochs, beside its controls: reward, figure on dev, likelihood.

    python benchmarks/tuning_curves.py RUN… --out docs/reward-tuning.png [--figure mean-f1]
        [--loss cross-entropy]

Read are the runs' recipes and logs (`log/version_*/metrics.csv`). Runs of one recipe have one colour and one
kind of line, a line a seed. The reward is the mean of what was drawn in training; a run without one has no
line there. The start of a run is the best development figure of the run that it began with (`model.begin`),
drawn at epoch 0 and as a grey line. The likelihood is the loss that stands for it, of training pictures:
lower is likelier. Printed is a row per run: its start, its best epoch, and the difference.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from facetrust.errors import InputError
from facetrust.records import write_whole
from facetrust.training.recipe import Recipe, load_recipe

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "-.", (0, (4, 3)), ":")  # So that lines that lie on each other are seen.


class Curves(NamedTuple):
    """A run's recipe and seed, its figures by epoch, counted from 1, and the figure that it started at."""

    recipe: str
    seed: int
    reward: dict[int, float]
    figure: dict[int, float]
    loss: dict[int, float]
    start: float | None


def read_run(run: Path, *, figure: str, loss: str) -> Curves:
    """Returns a run's curves.

    Raises:
        InputError: the run has no log, or none of the figure.
        UsageError: its recipe cannot be read.
    """
    recipe = load_recipe(run / "recipe.yaml")
    found = _column(run, f"dev/{figure}")
    if not found:
        raise InputError(f"{run}: its log holds no epoch with dev/{figure}")
    begun = _begun(run, recipe)
    before = _column(begun, f"dev/{figure}") if begun else {}
    return Curves(
        recipe=recipe.name,
        seed=recipe.seed,
        reward=_column(run, "train/reward_epoch"),
        figure=found,
        loss=_column(run, f"train/{loss}_epoch"),
        start=max(before.values(), default=None),
    )


def _begun(run: Path, recipe: Recipe) -> Path | None:
    """The run that this one began with, as its recipe names it or beside it; None where it is not here."""
    named = Path(recipe.model.begin) if recipe.model.begin else None
    places = [named, run.parent / named.name] if named else []
    return next((place for place in places if (place / "log").is_dir()), None)


def _column(run: Path, name: str) -> dict[int, float]:
    """A figure by epoch, from 1; of a run that was resumed, the later log counts."""
    values: dict[int, float] = {}
    logs = sorted(run.glob("log/version_*/metrics.csv"), key=lambda log: int(log.parent.name.split("_")[1]))
    if not logs:
        raise InputError(f"{run}: has no log/version_*/metrics.csv")
    for log in logs:
        with log.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if text := row.get(name):
                    values[int(row["epoch"]) + 1] = float(text)
    return values


def draw(runs: Sequence[Curves], out: Path, *, figure: str, loss: str) -> None:
    """Writes the figure, a PNG of three panels."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(10.5, 3.4), layout="constrained")
    panels = canvas.subplots(1, 3)
    names = list(dict.fromkeys(run.recipe for run in runs))
    titles = ("reward of drawn answers", f"dev {figure}", f"training {loss}")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eef0f3", linewidth=0.8)
    for run in runs:
        style = {**style_of(names.index(run.recipe)), "marker": "o", "markersize": 4}
        began = {} if run.start is None else {0: run.start}
        for axes, values in zip(panels, (run.reward, {**began, **run.figure}, run.loss), strict=True):
            axes.plot(list(values), list(values.values()), **style)
    for start in sorted({run.start for run in runs if run.start is not None}):
        panels[1].axhline(start, color="#9ca3af", linewidth=1)
        panels[1].annotate("start", (0, start), fontsize=8, color="#6b7280", va="bottom")
    for number, name in enumerate(names):
        panels[1].plot([], [], label=name, **style_of(number))
    panels[1].legend(frameon=False, fontsize=8, loc="lower right")
    content = io.BytesIO()
    canvas.savefig(content, format="png", dpi=110, metadata={"Software": None})
    write_whole(out, content.getbuffer())


def style_of(number: int) -> dict[str, Any]:
    """Returns how the lines of the recipe of this number are drawn."""
    return {
        "color": COLORS[number % len(COLORS)],
        "linestyle": DASHES[number % len(DASHES)],
        "linewidth": 1.7,
    }


def row_of(run: Curves) -> str:
    """Returns what is printed of a run: its start, its best epoch, and how far that lies above the start."""
    best = max(run.figure, key=lambda epoch: run.figure[epoch])
    gain = "" if run.start is None else f" {run.start:7.4f} {run.figure[best] - run.start:+8.4f}"
    return f"{run.recipe:24} {run.seed:4} {len(run.figure):6} {best:5} {run.figure[best]:7.4f}{gain}"


def main() -> None:
    """Runs the benchmark as the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", default="mean-f1")
    parser.add_argument("--loss", default="cross-entropy")
    asked = parser.parse_args()
    runs = [read_run(run, figure=asked.figure, loss=asked.loss) for run in asked.runs]
    draw(runs, asked.out, figure=asked.figure, loss=asked.loss)
    print(f"{'recipe':24} seed epochs  best  figure   start     gain")
    for run in runs:
        print(row_of(run))


if __name__ == "__main__":
    main()
