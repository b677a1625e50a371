"""Contrastive loss of two views of the same faces (SimCLR)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facetrust.losses._check import above_zero
from facetrust.losses._reduction import Reduction, reduced


def nt_xent(
    first: Tensor, second: Tensor, *, temperature: float = 0.1, reduction: Reduction = "mean"
) -> Tensor:
    """Returns -log(exp(cos(z, z') / T) / sum over the others of exp(cos(z, .) / T)), z' the other view of z.

    Each of the 2 B features is an anchor with one positive, its other view, and 2 B - 2 negatives, all
    features of other samples. Labels play no part: faces of one class repel each other too.
    Source: Chen et al. 2020 (SimCLR, arXiv 2002.05709, equation 1); temperature 0.1 as in FLIP-MCL.

    Args:
        first: (B, d) features of the first views, brought to unit length here.
        second: (B, d) features of the second views of the same samples.
        temperature: T > 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,), the mean of both anchors of a sample.
    """
    above_zero(temperature=temperature)
    features = functional.normalize(torch.cat([first, second]), dim=1)
    count = len(first)
    itself = torch.eye(2 * count, dtype=torch.bool, device=features.device)
    logits = (features @ features.T / temperature).masked_fill(itself, -torch.inf)
    positives = torch.arange(2 * count, device=features.device).roll(count)
    each = functional.cross_entropy(logits, positives, reduction="none")
    return reduced(each.view(2, count).mean(0), reduction)
