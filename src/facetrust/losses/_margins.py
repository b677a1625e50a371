"""What the margin losses share: a face's cosine with its own class is made smaller before the softmax."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facetrust.losses._reduction import Reduction, reduced

# Below it, sin^2 is taken as constant, so that the slope of sin at an angle of 0 or pi stays finite.
_LEAST_SQUARE = 1e-6


def clamped(cosines: Tensor) -> Tensor:
    """Returns cosines in [-1, 1], in float32 or better: rounding leads past 1, and halves are too coarse."""
    return cosines.to(torch.promote_types(cosines.dtype, torch.float32)).clamp(-1, 1)


def of_own(cosines: Tensor, identities: Tensor) -> Tensor:
    """Returns (B,): of cosines (B, C) those with each face's own class, by identities (B,)."""
    return cosines.gather(1, identities[:, None])[:, 0]


def sines(cosines: Tensor) -> Tensor:
    """Returns sin of the angle in [0, pi] of each cosine, with a finite slope everywhere."""
    return (1 - cosines.square()).clamp_min(_LEAST_SQUARE).sqrt()


def margin_cross_entropy(
    cosines: Tensor,
    own: Tensor,
    identities: Tensor,
    *,
    scale: float,
    reduction: Reduction,
    dtype: torch.dtype,
) -> Tensor:
    """Returns the cross-entropy of scaled cosines (B, C), where `own` (B,) stands for the own class's."""
    logits = scale * cosines.scatter(1, identities[:, None], own[:, None])
    return reduced(functional.cross_entropy(logits, identities, reduction="none").to(dtype), reduction)
