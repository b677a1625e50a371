"""Accuracy of verification over folds, each decided at the threshold that is best on the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError
from facetrust.metrics._check import checked


def fold_accuracy(labels: ArrayLike, scores: ArrayLike, *, folds: ArrayLike) -> float:
    """Returns the mean over folds of the share of pairs that are decided rightly, in [0, 1].

    A fold is decided at the threshold with the highest accuracy on all other folds; see
    `accuracies_by_fold`. Ties: a score equal to the threshold is the same person.

    Raises:
        MetricError: see `facetrust.metrics.checked`; not one fold per row; fewer than two folds, or the other
            folds of one lack a class.

    Source: Huang et al., Labeled Faces in the Wild (2007), view 2.
    """
    return float(accuracies_by_fold(labels, scores, folds=folds).mean())


def accuracies_by_fold(labels: ArrayLike, scores: ArrayLike, *, folds: ArrayLike) -> NDArray[np.float64]:
    """Returns the share of pairs decided rightly in each fold (K,), in the order of the folds' numbers.

    All thresholds between two neighbouring scores are tried, none on a grid. Of equally good ones the middle
    one is taken, the lower of two, and the value halfway to the score below, so that a threshold is no score
    of its own folds.

    Raises:
        MetricError: as `fold_accuracy`.
    """
    marks, values = checked(labels, scores)
    numbers = np.asarray(folds)
    if numbers.shape != marks.shape:
        raise MetricError(f"{numbers.size} folds do not fit {len(marks)} rows; give one per row")
    known = np.unique(numbers)
    if len(known) < 2:
        raise MetricError("all rows are of one fold; a threshold needs others")
    accuracies = []
    for fold in known:
        mine = numbers == fold
        threshold = _best_threshold(marks[~mine], values[~mine])
        accuracies.append(float(((values[mine] >= threshold) == marks[mine]).mean()))
    return np.array(accuracies)


def _best_threshold(marks: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    if marks.all() or not marks.any():
        raise MetricError("the other folds are of one class; both are needed for a threshold")
    steps = np.unique(values)
    same, different = np.sort(values[marks == 1]), np.sort(values[marks == 0])
    thresholds = np.append(steps, np.inf)
    right = (len(same) - np.searchsorted(same, thresholds, side="left")) + np.searchsorted(
        different, thresholds, side="left"
    )
    best = np.flatnonzero(right == right.max())
    at = int(best[(len(best) - 1) // 2])
    if at == 0:
        return float(steps[0])
    below = float(steps[at - 1])
    if at == len(steps):
        return float(np.nextafter(below, np.inf))
    middle = below + (float(steps[at]) - below) / 2
    return middle if middle > below else float(steps[at])
