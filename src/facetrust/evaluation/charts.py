"""The report's drawings, as SVG text: ROC and DET curves, histograms of scores, AUC under disturbances."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetrust.metrics import operating_points
from facetrust.records import Scores
from facetrust.tasks import task_named

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_POINTS = 1500


class Line(NamedTuple):
    """What is drawn of one model: its scores, its threshold, and how it looks."""

    name: str
    color: str
    is_baseline: bool
    threshold: float
    scores: Scores


class Decline(NamedTuple):
    """What is drawn of one model under one disturbance: (place, AUC, low, high) of each strength."""

    color: str
    is_baseline: bool
    points: Sequence[tuple[int, float, float | None, float | None]]


def curves(lines: Sequence[Line], *, det: bool, errors: tuple[str, str]) -> str:
    """Returns the ROC, or the DET curve on normal-deviate axes, of all models as SVG.

    Args:
        errors: names of the two error rates: label 1 missed, and label 0 stopped.
    """
    canvas, axes = _canvas(5.2, 4.7)
    labels = lines[0].scores.labels
    rarest = min(len(labels) - labels.sum(), labels.sum())
    floor = float(np.clip(0.5 / rarest, 1e-4, 0.01))
    deviate = np.vectorize(lambda rate: NormalDist().inv_cdf(min(max(rate, floor), 1 - floor)))
    for line in lines:
        rows = line.scores
        _, apcer, bpcer = operating_points(rows.labels, rows.scores)
        kept = np.unique(np.linspace(0, len(apcer) - 1, _POINTS).astype(int))
        x, y = (apcer[kept], bpcer[kept]) if det else (bpcer[kept], 1 - apcer[kept])
        missed = float((rows.scores[rows.labels == 1] < line.threshold).mean())
        stopped = float((rows.scores[rows.labels == 0] >= line.threshold).mean())
        dot = (missed, stopped) if det else (stopped, 1 - missed)
        if det:
            x, y, dot = deviate(x), deviate(y), tuple(deviate(np.array(dot)))
        style = {"color": line.color, "zorder": 2 if line.is_baseline else 3}
        axes.plot(x, y, label=line.name, linestyle="--" if line.is_baseline else "-", linewidth=1.7, **style)
        axes.plot(*dot, marker="o", markersize=6, markeredgecolor="white", clip_on=False, **style)
    if det:
        ticks = [t for t in (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95) if t >= floor]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(deviate(np.array(ticks)), [f"{100 * t:g}" for t in ticks])
        axes.set(xlim=deviate((floor, 0.95)), ylim=deviate((floor, 0.95)))
        axes.set(xlabel=f"{errors[0]} (%)", ylabel=f"{errors[1]} (%)")
    else:
        axes.plot([0, 1], [0, 1], color="#d1d5db", linewidth=1, zorder=1)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=errors[1], ylabel=f"1 − {errors[0]}")
    axes.legend(loc="upper right" if det else "lower right", frameon=False, fontsize=9)
    return _svg(canvas)


def histogram(line: Line) -> str:
    """Returns the histogram of both classes' scores, with the threshold as a line, as SVG."""
    canvas, axes = _canvas(4.2, 2.5)
    scores = line.scores
    low, high = min(0.0, scores.scores.min()), max(1.0, scores.scores.max())
    if low < 0 or high > 1:
        low, high = scores.scores.min(), scores.scores.max()
    edges = np.linspace(low, high, 41)
    for label, color in ((0, "#0072B2"), (1, "#D55E00")):
        mine = scores.scores[scores.labels == label]
        name = task_named(scores.made_by.task).decisions[label]
        shares = np.full(len(mine), 100 / len(mine))
        axes.hist(mine, edges, weights=shares, color=color, alpha=0.6, label=name, linewidth=0)
    axes.axvline(line.threshold, color="#111827", linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set(xlabel="score", ylabel="% of class", xlim=(low, high))
    axes.set_title(line.name, fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, borderpad=0)
    return _svg(canvas)


def declines(lines: Sequence[Decline], ticks: Sequence[str], *, unit: str, floor: float) -> str:
    """Returns AUC against strength with interval bands, of all models as SVG.

    Args:
        ticks: what stands below each place.
        unit: what the strength counts.
        floor: the lowest value to show, so that several drawings have one scale.
    """
    canvas, axes = _canvas(4.2, 2.9)
    for line in lines:
        place, value, low, high = (np.array(part, dtype=float) for part in zip(*line.points, strict=True))
        style = {"color": line.color, "zorder": 2 if line.is_baseline else 3}
        dashes = "--" if line.is_baseline else "-"
        axes.plot(place, value, dashes, marker="o", markersize=4, linewidth=1.7, **style)
        shade = 0.06 if line.is_baseline else 0.15
        axes.fill_between(place, low, high, alpha=shade, linewidth=0, **style)
    axes.axhline(0.5, color="#d1d5db", linewidth=1, zorder=1)
    axes.set_xticks(range(len(ticks)), ticks)
    # Guessing is always in sight, and so is all that lies below it.
    axes.set(xlabel=unit, ylabel="AUC", ylim=(min(0.45, floor - 0.02), 1.01), xlim=(-0.2, len(ticks) - 0.8))
    return _svg(canvas)


def _canvas(width: float, height: float) -> tuple[Canvas, Any]:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eef0f3", linewidth=0.8)
    axes.set_axisbelow(True)
    return canvas, axes


def _svg(canvas: Canvas) -> str:
    """Returns a drawing as SVG to be put into HTML: no header, no metadata, no address of any kind."""
    import matplotlib as mpl

    text = io.StringIO()
    # A fixed salt makes equal drawings equal text.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "facetrust"}):
        canvas.savefig(text, format="svg", transparent=True)
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
