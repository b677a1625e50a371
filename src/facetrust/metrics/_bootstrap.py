"""Bootstrap intervals that keep together what belongs together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError
from facetrust.metrics._check import checked

_TRIES = 20


def interval(
    metric: Callable[..., float],
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    seed: int = 0,
    rounds: int = 1000,
    level: float = 0.95,
    **settings: Any,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval (low, high) of a metric.

    Whole clusters (subjects, or media) are drawn with replacement, as many as there are, because
    rows of one person are not independent. A row whose cluster is None stands alone; without
    `clusters` every row does. A draw without both classes is drawn again, so the interval is
    conditional on both being there. Among `settings`, a list or array with one value per row (such
    as `species`) is drawn along with the rows; everything else goes to the metric as it is. The
    same seed gives the same interval, whatever the order of the rows.

    With few clusters (say, under ten) such intervals are coarse and tend to be too narrow.

    Args:
        level: the share of the rounds inside, in (0, 1).

    Raises:
        MetricError: see `checked`; fewer than two clusters; `rounds` below 1 or `level` outside
            (0, 1); or both classes hardly ever come together in a draw.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13; Field and Welsh,
        Bootstrapping clustered data (JRSS B 69, 2007).
    """
    marks, values = checked(labels, scores)
    if rounds < 1 or not 0 < level < 1:
        raise MetricError(f"rounds must be at least 1 and level in (0, 1), not {rounds} and {level}")
    names = _names(clusters, len(marks))
    order = np.lexsort((values, marks, names))
    marks, values, names = marks[order], values[order], names[order]
    settings = {key: _along(value, order) for key, value in settings.items()}
    draw = _Draw(names, marks, np.random.default_rng(seed))
    found = np.empty(rounds)
    for turn in range(rounds):
        rows = draw()
        drawn = {key: value[rows] if _is_column(value) else value for key, value in settings.items()}
        found[turn] = metric(marks[rows], values[rows], **drawn)
    tail = 50 * (1 - level)
    low, high = np.percentile(found, [tail, 100 - tail])
    return float(low), float(high)


def interval_of_counts(
    metric: Callable[..., float],
    counts: ArrayLike,
    *,
    seed: int = 0,
    rounds: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval (low, high) of a metric of counts that are added up.

    Pictures are drawn with replacement, as many as there are. Draws in which the metric is not defined are
    left out, so the interval is conditional on its being so.

    Args:
        counts: (N, C, C) confusion matrices, one per picture.
        level: the share of the rounds inside, in (0, 1).

    Raises:
        MetricError: fewer than two pictures; `rounds` below 1 or `level` outside (0, 1); or the metric is
            hardly ever defined.

    Source: as `interval`.
    """
    matrices = np.asarray(counts)
    if rounds < 1 or not 0 < level < 1:
        raise MetricError(f"rounds must be at least 1 and level in (0, 1), not {rounds} and {level}")
    if matrices.ndim != 3 or len(matrices) < 2:
        raise MetricError("an interval needs the counts of at least two pictures, one matrix each")
    chance, flat = np.random.default_rng(seed), matrices.reshape(len(matrices), -1).astype(np.float64)
    found = []
    for _ in range(rounds):
        times = np.bincount(chance.integers(len(flat), size=len(flat)), minlength=len(flat))
        try:
            found.append(metric((times @ flat).reshape(matrices.shape[1:])))
        except MetricError:
            continue
    if len(found) < max(1, rounds // 2):
        raise MetricError("most draws hold nothing to measure; there is no interval")
    tail = 50 * (1 - level)
    low, high = np.percentile(found, [tail, 100 - tail])
    return float(low), float(high)


def _names(clusters: ArrayLike | None, rows: int) -> NDArray[np.int64]:
    """Returns a number per row, equal where the cluster is equal, free of the rows' order."""
    if clusters is None:
        return np.zeros(rows, dtype=np.int64) - 1
    given = np.asarray(clusters, dtype=object)
    if given.shape != (rows,):
        raise MetricError(f"{given.size} clusters do not fit {rows} rows; give one name (or None) a row")
    known = {
        name: number for number, name in enumerate(sorted({str(name) for name in given if name is not None}))
    }
    return np.array([-1 if name is None else known[str(name)] for name in given], dtype=np.int64)


def _is_column(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1


def _along(value: Any, order: NDArray[np.int64]) -> Any:
    """Returns a list or array with one value per row as an array in the sorted order, else the value."""
    if isinstance(value, list | tuple) or _is_column(value):
        column = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else object)
        return column[order] if len(column) == len(order) else value
    return value


class _Draw:
    """Draws clusters with replacement and returns their rows; the rows lie sorted by cluster."""

    def __init__(
        self, names: NDArray[np.int64], marks: NDArray[np.int64], chance: np.random.Generator
    ) -> None:
        first = np.flatnonzero(np.append(True, (names[1:] != names[:-1]) | (names[1:] == -1)))
        self.starts, self.sizes = first, np.diff(np.append(first, len(names)))
        attacks = np.add.reduceat(marks, first)
        self.attacks, self.bona_fide = attacks > 0, attacks < self.sizes
        self.chance = chance
        if len(first) < 2:
            raise MetricError("an interval needs at least two clusters; all rows are of one")

    def __call__(self) -> NDArray[np.int64]:
        for _ in range(_TRIES):
            picks = self.chance.integers(len(self.starts), size=len(self.starts))
            if self.attacks[picks].any() and self.bona_fide[picks].any():
                break
        else:
            raise MetricError("clusters hardly ever bring both classes together; there is no interval")
        sizes = self.sizes[picks]
        ends = np.cumsum(sizes)
        rows: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(self.starts[picks] - (ends - sizes), sizes)
        return rows
