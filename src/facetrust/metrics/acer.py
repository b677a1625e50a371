"""Average classification error rate."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.metrics.apcer import apcer
from facetrust.metrics.bpcer import bpcer


def acer(
    labels: ArrayLike, scores: ArrayLike, *, threshold: float, species: ArrayLike | None = None
) -> float:
    """Returns (worst species' APCER + BPCER) / 2 at a threshold, in [0, 1].

    Without `species` the attacks are pooled, and it equals HTER. Ties: a score equal to the
    threshold is an attack.

    Raises:
        MetricError: as `apcer`.

    Source: Boulkenafet et al., OULU-NPU (FG 2017). It is no metric of ISO/IEC 30107-3, which
        asks for APCER and BPCER apart.
    """
    missed = apcer(labels, scores, threshold=threshold, species=species)
    return (missed + bpcer(labels, scores, threshold=threshold)) / 2
