"""Equal error rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.metrics._curve import operating_points


def eer(labels: ArrayLike, scores: ArrayLike) -> float:
    """Returns the error rate in [0, 1] at which pooled APCER and BPCER are equal.

    The point is found on the straight lines between neighbouring operating points, so nothing is
    searched on a grid. Ties: equal scores share one operating point; all scores equal give 0.5.
    It describes the curve of the rows it is given and is no result at a threshold fixed before.

    Raises:
        MetricError: see `facetrust.metrics.checked`.

    Source: ISO/IEC 19795-1 (equal error rate), with the two error rates of ISO/IEC 30107-3.
    """
    _, apcer, bpcer = operating_points(labels, scores)
    gap = apcer - bpcer  # Rises strictly from -1 to 1.
    right = int(np.argmax(gap >= 0))
    left = right - 1
    part = -gap[left] / (gap[right] - gap[left])
    return float(apcer[left] + part * (apcer[right] - apcer[left]))
