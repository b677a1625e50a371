"""Soft Dice: one minus the overlap of each class, with probabilities in the place of decisions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

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
    p = classes.softmax(1)
    t = functional.one_hot(truth.long(), classes.shape[1]).movedim(3, 1).to(p.dtype)
    overlap, total = (p * t).sum((2, 3)), (p + t).sum((2, 3))
    held = (t.sum((2, 3)) > 0).to(p.dtype)
    if not background:
        held = torch.cat([torch.zeros_like(held[:, :1]), held[:, 1:]], 1)
    each = (held * (1 - 2 * overlap / total.clamp_min(_TINY))).sum(1) / held.sum(1).clamp_min(1)
    return reduced(each, reduction)
