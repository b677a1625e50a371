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
    others: ArrayLike | None = None,
    seed: int = 0,
    rounds: int = 1000,
    level: float = 0.95,
    **settings: Any,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval (low, high) of a metric.

    Whole clusters (subjects, or media) are drawn with replacement, as many as there are, because
    rows of one person are not independent. A row whose cluster is None stands alone; without
    `clusters` every row does. Where a row is of two clusters, as a pair of people is, `others` is the second:
    a row is then drawn as often as both were, the product of the two (of one cluster: as often as it was).
    A draw without both classes is drawn again, so the interval is
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
        Bootstrapping clustered data (JRSS B 69, 2007); for rows of two clusters Owen, The pigeonhole
        bootstrap (Annals of Applied Statistics 1, 2007).
    """
    marks, values = checked(labels, scores)
    if rounds < 1 or not 0 < level < 1:
        raise MetricError(f"rounds must be at least 1 and level in (0, 1), not {rounds} and {level}")
    chance = np.random.default_rng(seed)
    draw: _Draw | _PairDraw
    if others is None:
        names = _names(clusters, len(marks))
        order = np.lexsort((values, marks, names))
        draw = _Draw(names[order], marks[order], chance)
    else:
        first, second = _both_names(clusters, others, len(marks))
        order = np.lexsort((values, marks, second, first))
        draw = _PairDraw(first[order], second[order], marks[order], chance)
    marks, values = marks[order], values[order]
    settings = {key: _along(value, order) for key, value in settings.items()}
    found = np.empty(rounds)
    for turn in range(rounds):
        rows = draw()
        drawn = {key: value[rows] if _is_column(value) else value for key, value in settings.items()}
        found[turn] = metric(marks[rows], values[rows], **drawn)
    tail = 50 * (1 - level)
    low, high = np.percentile(found, [tail, 100 - tail])
    return float(low), float(high)


def interval_of_mean(
    values: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    seed: int = 0,
    rounds: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval (low, high) of a mean, of rows that need no classes.

    Whole clusters are drawn as by `interval`; a draw's mean is that of all its rows.

    Raises:
        MetricError: no rows, a value that is not finite, or fewer than two clusters.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise MetricError("a mean needs at least one row, and finite values")
    names = _names(clusters, len(numbers))
    names[names < 0] = names.max(initial=-1) + 1 + np.arange(int((names < 0).sum()))
    sums, sizes = np.bincount(names, numbers), np.bincount(names)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    if len(sizes) < 2:
        raise MetricError("an interval needs at least two clusters; all rows are of one")
    order = np.lexsort((sums, sizes))  # Clusters alike in both are alike in every draw.
    picks = np.random.default_rng(seed).integers(len(sizes), size=(rounds, len(sizes)))
    means = sums[order][picks].sum(1) / sizes[order][picks].sum(1)
    tail = 50 * (1 - level)
    low, high = np.percentile(means, [tail, 100 - tail])
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


def _both_names(
    clusters: ArrayLike | None, others: ArrayLike, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the numbers of both clusters of each row; one who is not named is a cluster of its own."""
    sides = [np.asarray(side, dtype=object) for side in (clusters, others)]
    if any(side.shape != (rows,) for side in sides):
        raise MetricError(f"clusters and others must each have one name (or None) for {rows} rows")
    first, second = np.split(_names(np.concatenate(sides), 2 * rows), 2)
    known = int(max(first.max(initial=-1), second.max(initial=-1))) + 1
    for side in (first, second):
        unnamed = np.flatnonzero(side < 0)
        side[unnamed] = known + np.arange(len(unnamed))
        known += len(unnamed)
    return first, second


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


class _PairDraw:
    """Draws clusters with replacement and returns the rows of two clusters that come of it, with repeats."""

    def __init__(
        self,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        marks: NDArray[np.int64],
        chance: np.random.Generator,
    ) -> None:
        self.first, self.second, self.marks, self.chance = first, second, marks, chance
        self.count = int(max(first.max(), second.max())) + 1
        if self.count < 2:
            raise MetricError("an interval needs at least two clusters; all rows are of one")

    def __call__(self) -> NDArray[np.int64]:
        for _ in range(_TRIES):
            drawn = np.bincount(self.chance.integers(self.count, size=self.count), minlength=self.count)
            times = drawn[self.first] * np.where(self.first == self.second, 1, drawn[self.second])
            rows: NDArray[np.int64] = np.repeat(np.arange(len(times)), times)
            if rows.size and 0 < self.marks[rows].sum() < rows.size:
                return rows
        raise MetricError("clusters hardly ever bring both classes together; there is no interval")
