"""Attack presentation classification error rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.metrics._check import checked, checked_species, checked_threshold


def apcer(
    labels: ArrayLike, scores: ArrayLike, *, threshold: float, species: ArrayLike | None = None
) -> float:
    """Returns the share of attacks taken for bona fide at a threshold, of the worst species, in [0, 1].

    `species` names the attack instrument species of each row (None: unnamed; bona fide rows are
    not looked at). Without it all attacks are one species: that is the pooled rate, which hides a
    species that gets through. Ties: a score equal to the threshold is an attack.

    Raises:
        MetricError: see `facetrust.metrics.checked`; not one species per row; the threshold is NaN.

    Source: ISO/IEC 30107-3:2023, APCER per species; the highest one is what a report gives.
    """
    return max(apcer_by_species(labels, scores, threshold=threshold, species=species).values())


def apcer_by_species(
    labels: ArrayLike, scores: ArrayLike, *, threshold: float, species: ArrayLike | None = None
) -> dict[str, float]:
    """Returns the share of each species' attacks that is taken for bona fide, by name, sorted.

    Raises:
        MetricError: as `apcer`.
    """
    marks, values = checked(labels, scores)
    names = checked_species(marks, species)
    attacks = marks == 1
    missed = values < checked_threshold(threshold)
    if names is None:
        return {"all": float(missed[attacks].mean())}
    found = np.unique(names[attacks])
    return {str(name): float(missed[attacks & (names == name)].mean()) for name in found}
