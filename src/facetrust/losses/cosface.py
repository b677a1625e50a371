"""CosFace: cross-entropy over identities, with a margin taken from the cosine with the own class."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._check import within
from facetrust.losses._reduction import Reduction
from facetrust.losses.combined_margin import combined_margin


def cosface(
    cosines: Tensor,
    identities: Tensor,
    *,
    margin: float = 0.35,
    scale: float = 64.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns the cross-entropy of s cos(theta), where the own class's cosine is cos(theta) - m.

    Source: Wang et al. 2018 (arXiv 1801.09414), equation 4; the defaults are Face Transformer's.

    Args:
        cosines: (B, C) between each face and every class.
        identities: (B,) int64, each face's own class.
        margin: m, 0 to 2.
        scale: s, above 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: the margin or the scale is out of range.
    """
    within(0, 2, margin=margin)
    return combined_margin(cosines, identities, angle=0, cosine=margin, scale=scale, reduction=reduction)
