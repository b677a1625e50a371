"""Bona fide presentation classification error rate."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.metrics._check import checked, checked_threshold


def bpcer(labels: ArrayLike, scores: ArrayLike, *, threshold: float) -> float:
    """Returns the share of bona fide presentations taken for attacks at a threshold, in [0, 1].

    Ties: a score equal to the threshold is an attack.

    Raises:
        MetricError: see `facetrust.metrics.checked`; or the threshold is NaN.

    Source: ISO/IEC 30107-3:2023, BPCER.
    """
    marks, values = checked(labels, scores)
    return float((values[marks == 0] >= checked_threshold(threshold)).mean())
