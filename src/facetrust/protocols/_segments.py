"""Panoptic quality of class masks, in which all pixels of a class in a picture are one segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MetricError

_MATCH = 0.5  # Intersection over union above which two segments match.


def segment_sums(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns (N, C - 1, 3) of N confusion matrices (N, C, C), truth first, without the background.

    For each picture and class: the intersection over union if it is above 0.5, whether it is, and how many of
    the true and the answered segment have no match: 0, 1 or 2.
    """
    hits = np.diagonal(counts, axis1=1, axis2=2)[:, 1:].astype(np.float64)
    true, said = counts.sum(2)[:, 1:], counts.sum(1)[:, 1:]
    overlap = hits / np.maximum(true + said - hits, 1)
    found = overlap > _MATCH
    alone = np.where(found, 0, (true > 0).astype(int) + (said > 0))
    return np.stack([np.where(found, overlap, 0), found, alone], axis=2)


def panoptic_quality(sums: NDArray[np.float64]) -> float:
    """Returns the mean over classes of (sum of IoU over TP) / (TP + FP / 2 + FN / 2), in [0, 1].

    Args:
        sums: (C - 1, 3), those of `segment_sums`, added up. Classes without a segment are left out.

    Raises:
        MetricError: no class has a segment.

    Source: Kirillov et al., Panoptic segmentation, CVPR 2019.
    """
    weights = sums[:, 1] + sums[:, 2] / 2
    if not (weights > 0).any():
        raise MetricError("no pixel is of any class but the first; there is nothing to measure")
    seen = weights > 0
    return float((sums[seen, 0] / weights[seen]).mean())
