"""BPCER at a fixed APCER."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.metrics._check import checked
from facetrust.metrics._curve import highest_threshold


def bpcer_at_apcer(
    labels: ArrayLike, scores: ArrayLike, *, apcer: float = 0.05, species: ArrayLike | None = None
) -> float:
    """Returns the lowest BPCER at which the worst species' APCER is at most `apcer`, in [0, 1].

    Without `species` the attacks are pooled. Ties: equal scores share one operating point; there
    is no interpolation. The threshold is the best for these rows, so the figure describes the
    curve; for a figure at a fixed threshold fit `apcer@5%` on dev and report BPCER.

    Raises:
        MetricError: see `facetrust.metrics.checked`; not one species per row; `apcer` not in [0, 1].

    Source: ISO/IEC 30107-3:2023, BPCER at a fixed APCER (BPCER20 is `apcer=0.05`, BPCER100 0.01).
    """
    marks, values = checked(labels, scores)
    threshold = highest_threshold(marks, values, apcer=apcer, species=species)
    return float((values[marks == 0] >= threshold).mean())
