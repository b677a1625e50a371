"""Half total error rate."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.metrics.apcer import apcer
from facetrust.metrics.bpcer import bpcer


def hter(labels: ArrayLike, scores: ArrayLike, *, threshold: float) -> float:
    """Returns (pooled APCER + BPCER) / 2 at a threshold, in [0, 1].

    The threshold belongs to a development set; chosen on the reported rows it gives a figure near
    the EER that flatters. Ties: a score equal to the threshold is an attack.

    Raises:
        MetricError: see `facetrust.metrics.checked`; or the threshold is NaN.

    Source: Chingovska, Anjos and Marcel, On the effectiveness of local binary patterns in face
        anti-spoofing (BIOSIG 2012), the Replay-Attack protocol.
    """
    missed = apcer(labels, scores, threshold=threshold)
    return (missed + bpcer(labels, scores, threshold=threshold)) / 2
