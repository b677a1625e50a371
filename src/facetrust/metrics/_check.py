"""What every metric asks of its labels and scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError

UNNAMED = "unnamed"
"""The species of an attack whose row names none."""


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns labels as (N,) int64 of 0 and 1 and scores as (N,) float64.

    Raises:
        MetricError: not one-dimensional, of different lengths, empty, a score that is NaN or
            infinite, a label other than 0 and 1, or one of the two classes absent.
    """
    marks = np.asarray(labels)
    values = _floats(scores)
    if marks.ndim != 1 or values.ndim != 1:
        raise MetricError(f"labels and scores must be flat lists, not of shape {marks.shape}, {values.shape}")
    if len(marks) != len(values):
        raise MetricError(f"{len(marks)} labels do not fit {len(values)} scores; give one of each per row")
    if not len(marks):
        raise MetricError("there are no rows to measure")
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise MetricError(f"{bad} of {len(values)} scores are NaN or infinite; mend or drop those rows")
    attacks = marks == 1
    if not np.all(attacks | (marks == 0)):
        raise MetricError("labels must be 0 (bona fide) or 1 (attack)")
    if attacks.all() or not attacks.any():
        raise MetricError(f"all {len(marks)} rows are of one class; both bona fide and attacks are needed")
    return attacks.astype(np.int64), values


def checked_species(labels: NDArray[np.int64], species: ArrayLike | None) -> NDArray[np.str_] | None:
    """Returns the species' names as (N,) strings, or None where none were given.

    Raises:
        MetricError: not one name (or None) per row.
    """
    if species is None:
        return None
    given = np.asarray(species, dtype=object)
    if given.shape != labels.shape:
        raise MetricError(f"{given.size} species do not fit {len(labels)} rows; give one name a row")
    return np.array([UNNAMED if name is None else str(name) for name in given])


def checked_share(share: float, name: str) -> float:
    """Returns a rate.

    Raises:
        MetricError: it is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise MetricError(f"{name} must be a share in [0, 1], not {share}")
    return share


def checked_threshold(threshold: float) -> float:
    """Returns the threshold.

    Raises:
        MetricError: it is NaN.
    """
    if np.isnan(threshold):
        raise MetricError("the threshold is NaN; fit one on dev scores")
    return threshold


def _floats(scores: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise MetricError("scores must be numbers") from None
