"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.metrics._check import checked


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Returns the chance that a random attack scores above a random bona fide presentation, in [0, 1].

    Ties: a pair of equal scores counts one half (Mann-Whitney U over the number of pairs), which
    is the area under the straight-line ROC. 0.5 is chance; 0 is perfect the wrong way round.

    Raises:
        MetricError: see `facetrust.metrics.checked`.

    Source: Hanley and McNeil, The meaning and use of the area under a ROC curve (Radiology 143, 1982).
    """
    marks, values = checked(labels, scores)
    attacks, bona_fide = values[marks == 1], np.sort(values[marks == 0])
    below = np.searchsorted(bona_fide, attacks, side="left").sum()
    not_above = np.searchsorted(bona_fide, attacks, side="right").sum()
    return float((below + not_above) / (2 * len(attacks) * len(bona_fide)))
