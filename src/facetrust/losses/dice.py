"""Soft Dice: one minus the overlap of each class, with probabilities in the place of decisions."""

from __future__ import annotations

import torch
from torch import Tensor

from facetrust.losses._reduction import Reduction, reduced

_TINY = 1e-6


def dice(
    classes: Tensor, truth: Tensor, *, background: bool = False, reduction: Reduction = "mean"
) -> Tensor:
    """Returns 1 - the mean over classes of 2 sum(p t) / (sum(p) + sum(t)), sums over the picture's pixels.

    p is the softmax of the logits, t is 1 where the class is the true one. It is one minus F1 in which
    decisions are replaced by probabilities. The mean is over the classes that the picture's mask holds.
    A picture without any of them costs nothing.

    Args:
        classes: (B, C, h, w) logits.
        truth: (B, h, w) indices of classes.
        background: whether the first class counts as well.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Source: Milletari et al., V-Net (3DV 2016); Sudre et al. (DLMIA 2017) for several classes.
    """
    p, t = classes.softmax(1).flatten(2), truth.long().flatten(1)
    own = p.gather(1, t[:, None])[:, 0]  # Each pixel's probability of its true class.
    none = torch.zeros_like(p[:, :, 0])
    overlap, size = none.scatter_add(1, t, own), none.scatter_add(1, t, torch.ones_like(own))
    held = (size > 0).to(p.dtype)
    if not background:
        held = torch.cat([none[:, :1], held[:, 1:]], 1)
    costs = held * (1 - 2 * overlap / (p.sum(2) + size).clamp_min(_TINY))
    return reduced(costs.sum(1) / held.sum(1).clamp_min(1), reduction)
