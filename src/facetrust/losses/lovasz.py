"""Lovász-softmax: the convex surrogate of one minus the intersection over union of each class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facetrust.losses._reduction import Reduction, reduced


def lovasz(classes: Tensor, truth: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Returns the mean, over the classes that a picture's mask holds, of the Lovász extension of 1 - IoU.

    For a class, each pixel's error is |t - p|, p its probability and t 1 where it is the true one. Errors are
    sorted downwards, and each is weighted by how much 1 - IoU grows when its pixel is the next to be wrong.

    Args:
        classes: (B, C, h, w) logits.
        truth: (B, h, w) indices of classes.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Source: Berman et al., The Lovász-softmax loss (CVPR 2018), equations 8 to 11.
    """
    p = classes.softmax(1).flatten(2)
    t = functional.one_hot(truth.long().flatten(1), classes.shape[1]).mT
    errors, order = (p - t).abs().sort(2, descending=True)
    wrong = t.gather(2, order).cumsum(2)  # Of the class's own pixels, those met so far.
    held = wrong[:, :, -1:]
    others = torch.arange(1, t.shape[2] + 1, device=t.device) - wrong
    exact = torch.promote_types(p.dtype, torch.float32)  # Counts of pixels are beyond half precision.
    jaccard = 1 - (held - wrong).to(exact) / (held + others)
    weights = torch.cat([jaccard[:, :, :1], jaccard.diff(dim=2)], 2)
    present = (held[:, :, 0] > 0).to(p.dtype)
    each = ((errors * weights.to(p.dtype)).sum(2) * present).sum(1) / present.sum(1)
    return reduced(each, reduction)
