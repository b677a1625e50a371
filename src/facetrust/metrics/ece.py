"""Expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.errors import MetricError
from facetrust.metrics._check import checked


def ece(labels: ArrayLike, scores: ArrayLike, *, bins: int = 15, balanced: bool = False) -> float:
    """Returns how far scores are from the share of attacks among rows scored alike, in [0, 1].

    The scores are read as the probability of an attack. [0, 1] is cut into `bins` parts of equal
    width, the left edge of a part belonging to it and 1 to the last; in each part the distance of
    the mean score from the share of attacks counts with its share of the rows. It is the one
    metric here that needs bins, by its definition: the number belongs to the figure.

    `balanced`: each label counts one half, however many rows have it.

    Raises:
        MetricError: see `facetrust.metrics.checked`; a score outside [0, 1]; `bins` below 1.

    Source: Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities (AAAI 2015), in
        the binary form; 15 bins as in Guo et al., On calibration (ICML 2017), equation 3.
    """
    marks, values = checked(labels, scores)
    if bins < 1:
        raise MetricError(f"bins must be at least 1, not {bins}")
    if values.min() < 0 or values.max() > 1:
        raise MetricError("scores outside [0, 1] are no probabilities; calibration is not defined")
    order = np.lexsort((marks, values))  # Sums of floats depend on their order.
    marks, values = marks[order], values[order]
    # Edges are compared, not products: 0.58 * 100 is a hair below 58.
    part = np.searchsorted(np.arange(1, bins) / bins, values, side="right")
    gaps = values - marks
    if balanced:
        gaps *= len(marks) / (2 * np.where(marks == 1, marks.sum(), len(marks) - marks.sum()))
    gap = np.bincount(part, weights=gaps, minlength=bins)
    return float(np.abs(gap).sum() / len(values))
