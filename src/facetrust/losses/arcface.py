"""ArcFace: cross-entropy over identities, with a margin added to the angle to the own class."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._check import within
from facetrust.losses._reduction import Reduction
from facetrust.losses.combined_margin import combined_margin


def arcface(
    cosines: Tensor,
    identities: Tensor,
    *,
    margin: float = 0.5,
    scale: float = 64.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns the cross-entropy of s cos(theta), where the own class's cosine is cos(theta + m).

    Where theta + m > pi, it is cos(theta) - m sin(m). `combined_margin` says more of both, and of the
    gradient. Source: Deng et al. 2019 (arXiv 1801.07698), equation 3; the branch is in the authors' code.

    Args:
        cosines: (B, C) between each face and every class.
        identities: (B,) int64, each face's own class.
        margin: m in radians, 0 to 3.1.
        scale: s, above 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: the margin or the scale is out of range.
    """
    within(0, 3.1, margin=margin)
    return combined_margin(cosines, identities, angle=margin, scale=scale, reduction=reduction)
