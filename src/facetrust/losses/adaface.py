"""AdaFace: a margin that follows the length of the embedding, which stands for the picture's quality."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from facetrust.losses._check import above_zero, within
from facetrust.losses._margins import clamped, margin_cross_entropy, of_own, sines
from facetrust.losses._reduction import Reduction

_EPSILON = 1e-3
_SHORTEST, _LONGEST = 1e-3, 100.0


def adaface(
    cosines: Tensor,
    norms: Tensor,
    identities: Tensor,
    *,
    margin: float = 0.4,
    spread: float = 0.333,
    scale: float = 64.0,
    statistics: tuple[float, float] | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns the cross-entropy of s cos(theta), where the own cosine is cos(theta - m q) - m - m q.

    q = h (norm - mean) / (deviation + 0.001), cut to [-1, 1], is the quality: a long embedding (a good
    picture) gets CosFace's margin and more of it, a short one ArcFace's. The angle moved is cut to
    [0.001, pi - 0.001]. Norms have no gradient.
    Source: Kim et al. 2022 (arXiv 2204.00964), equations 14 to 16, and the authors' code.

    Args:
        cosines: (B, C) between each face and every class.
        norms: (B,) lengths of the embeddings, cut to [0.001, 100].
        identities: (B,) int64, each face's own class.
        margin: m, 0 to 1.
        spread: h, above 0: how much of the norms' deviation uses up the whole margin.
        scale: s, above 0.
        statistics: mean and deviation of the norms; those of the batch if none are given.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: a setting is out of range.
    """
    above_zero(scale=scale, spread=spread)
    within(0, 1, margin=margin)
    lengths = _lengths(norms)
    mean, deviation = _statistics(lengths) if statistics is None else statistics
    quality = (spread * (lengths - mean) / (deviation + _EPSILON)).clamp(-1, 1)
    every = clamped(cosines)
    cos = of_own(every, identities)
    theta = torch.atan2(sines(cos), cos) - margin * quality
    own = theta.clamp(_EPSILON, math.pi - _EPSILON).cos() - margin * (1 + quality)
    return margin_cross_entropy(every, own, identities, scale=scale, reduction=reduction, dtype=cosines.dtype)


class Adaface(nn.Module):
    """`adaface` with the norms' mean and deviation kept over the steps of training.

    Args:
        momentum: share of a new batch in what is kept, in (0, 1]. The first batch's is taken whole, where
            the authors' code begins with a mean of 20 and a deviation of 100.
    """

    def __init__(
        self,
        *,
        margin: float = 0.4,
        spread: float = 0.333,
        scale: float = 64.0,
        momentum: float = 0.01,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        within(1e-6, 1, momentum=momentum)
        self.margin, self.spread, self.scale, self.momentum = margin, spread, scale, momentum
        self.reduction: Reduction = reduction
        self.statistics: Tensor
        self.register_buffer("statistics", torch.full((2,), math.nan))

    def forward(self, cosines: Tensor, norms: Tensor, identities: Tensor) -> Tensor:
        """Returns the loss; in training the statistics are moved by this batch first."""
        if self.training or self.statistics.isnan().any():
            seen = torch.stack(_statistics(_lengths(norms))).to(self.statistics)
            first = self.statistics.isnan()
            self.statistics = torch.where(first, seen, self.statistics.lerp(seen, self.momentum))
        mean, deviation = self.statistics.tolist()
        return adaface(
            cosines,
            norms,
            identities,
            margin=self.margin,
            spread=self.spread,
            scale=self.scale,
            statistics=(mean, deviation),
            reduction=self.reduction,
        )


def _lengths(norms: Tensor) -> Tensor:
    return norms.detach().to(torch.promote_types(norms.dtype, torch.float32)).clamp(_SHORTEST, _LONGEST)


def _statistics(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation; a single face has none, and so the plain margin."""
    alone = len(lengths) < 2
    return lengths.mean(), lengths.new_zeros(()) if alone else lengths.std()
