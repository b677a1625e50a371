"""Cross-entropy over identities with three margins at once: SphereFace's, ArcFace's and CosFace's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facetrust.losses._check import above_zero, within
from facetrust.losses._margins import clamped, margin_cross_entropy, of_own, sines
from facetrust.losses._reduction import Reduction


def combined_margin(
    cosines: Tensor,
    identities: Tensor,
    *,
    times: float = 1.0,
    angle: float = 0.5,
    cosine: float = 0.0,
    scale: float = 64.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns the cross-entropy of s cos(theta) where the own class's cosine is cos(m1 theta + m2) - m3.

    Beyond m1 theta + m2 = pi, where that would rise again, cos(theta) - c takes its place, so that a face
    farther from its class never costs less: c is m2 sin(m2) at m1 = 1, as in ArcFace's code, and else joins
    the two at -1. The gradient is that of the formula (s sin(theta + m) / sin(theta) for ArcFace's own
    class); within a thousandth of a radian of 0 and pi its steep part is left out.
    Source: Deng et al. 2019 (ArcFace, arXiv 1801.07698), equation 4. Its later code has neither the branch
    nor this gradient.

    Args:
        cosines: (B, C) between each face and every class.
        identities: (B,) int64, each face's own class.
        times: m1, 1 to 4. angle: m2 in radians, 0 to 3.1. cosine: m3, 0 to 2.
        scale: s, above 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: a margin or the scale is out of range.
    """
    above_zero(scale=scale)
    within(0, 3.1, angle=angle)
    within(1, 4, times=times)
    within(0, 2, cosine=cosine)
    every = clamped(cosines)
    cos = of_own(every, identities)
    sin = sines(cos)
    if times == 1:
        moved = cos * math.cos(angle) - sin * math.sin(angle)
        lower = angle * math.sin(angle)
    else:
        moved = torch.cos(times * torch.atan2(sin, cos) + angle)
        lower = 1 + math.cos((math.pi - angle) / times)
    beyond = cos <= math.cos((math.pi - angle) / times)
    own = torch.where(beyond, cos - lower, moved) if angle or times > 1 else cos
    return margin_cross_entropy(
        every, own - cosine, identities, scale=scale, reduction=reduction, dtype=cosines.dtype
    )
