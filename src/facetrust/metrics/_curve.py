"""The exact operating points of a score and the thresholds that keep a given error rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.metrics._check import checked, checked_share, checked_species

Floats = NDArray[np.float64]


def operating_points(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Returns thresholds (K,), pooled APCER (K,) and BPCER (K,), one point per distinct score.

    Thresholds rise and end with infinity, so that the first point is (0, 1) and the last (1, 0).
    Equal scores are never parted: they share one point. Nothing is binned or left out.

    Raises:
        MetricError: see `checked`.
    """
    marks, values = checked(labels, scores)
    thresholds = np.append(np.unique(values), np.inf)
    attacks, bona_fide = np.sort(values[marks == 1]), np.sort(values[marks == 0])
    apcer = np.searchsorted(attacks, thresholds, side="left") / len(attacks)
    # Counted first: 1 - 0.71 is a hair above 0.29, and a limit of 0.29 would not admit it.
    bpcer = (len(bona_fide) - np.searchsorted(bona_fide, thresholds, side="left")) / len(bona_fide)
    return thresholds, apcer, bpcer


def highest_threshold(
    labels: ArrayLike, scores: ArrayLike, *, apcer: float, species: ArrayLike | None = None
) -> float:
    """Returns the highest threshold at which the worst species' APCER is at most `apcer`.

    It is one of the attacks' scores, or infinity where every attack may be missed; it has the
    lowest BPCER of all thresholds that keep the rate. Without `species` the attacks are pooled.

    Raises:
        MetricError: see `checked`; or `apcer` is not in [0, 1].
    """
    marks, values = checked(labels, scores)
    checked_share(apcer, "apcer")
    names = checked_species(marks, species)
    attacks = marks == 1
    if names is None:
        return _highest(values[attacks], apcer)
    return min(_highest(values[attacks & (names == name)], apcer) for name in np.unique(names[attacks]))


def _highest(attacks: Floats, apcer: float) -> float:
    # Rates are compared, not counts: 29 of 100 is exactly the number 0.29, yet 0.29 * 100 is not 29.
    missed = np.arange(len(attacks) + 1) / len(attacks)
    allowed = int(np.searchsorted(missed, apcer, side="right")) - 1
    return float(np.sort(attacks)[allowed]) if allowed < len(attacks) else float("inf")
