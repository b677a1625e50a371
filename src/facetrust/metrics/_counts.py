"""What the metrics of class masks ask of their counts, and what they have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError


def checked_counts(counts: ArrayLike) -> NDArray[np.float64]:
    """Returns a confusion matrix (C, C) as float64: pixels by their true class (row) and answer (column).

    Raises:
        MetricError: not square, of fewer than two classes, or with a count that is negative or not finite.
    """
    try:
        matrix = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError):
        raise MetricError("counts must be numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise MetricError(f"counts must be a square of at least two classes, not of shape {matrix.shape}")
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise MetricError("counts must be finite and not negative")
    return matrix


def class_ratios(matrix: NDArray[np.float64], *, twice: bool) -> NDArray[np.float64]:
    """Returns F1 (`twice`) or intersection over union per class (C,); NaN where a class occurs nowhere."""
    hits, both = np.diag(matrix), matrix.sum(0) + matrix.sum(1)
    over, under = (2 * hits, both) if twice else (hits, both - hits)
    return np.asarray(np.divide(over, under, out=np.full(len(hits), np.nan), where=under > 0))


def foreground_mean(ratios: NDArray[np.float64]) -> float:
    """Returns the mean over the classes but the first that occur in the masks or in the answers.

    Raises:
        MetricError: none of them occurs.
    """
    known = ratios[1:][~np.isnan(ratios[1:])]
    if not known.size:
        raise MetricError("no pixel is of any class but the first; there is nothing to measure")
    return float(known.mean())
