"""A network that has learnt nothing: what its maps share with a trained one's was not learnt."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def with_shuffled_weights(model: nn.Module, images: Tensor, *, seed: int = 0) -> nn.Module:
    """Returns a copy of a network, in evaluation mode, whose every tensor of weights is shuffled in itself.

    Each keeps its values, and so its scale, but not what it says. Batch normalisation measures its statistics
    anew on the images (B, 3, h, w), as those of the trained network no longer fit.

    Args:
        seed: decides the order.

    Source: Adebayo et al. 2018, arXiv 1810.03292, section 3.1, where weights are drawn anew; that they are
    shuffled is a choice.
    """
    other = copy.deepcopy(model).eval()
    generator = torch.Generator().manual_seed(seed)
    norms = [part for part in other.modules() if isinstance(part, _BatchNorm)]
    with torch.no_grad():
        for weights in other.parameters():
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order].view_as(weights))
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # The mean over what it sees.
            norm.training = True
        other(images)
    for norm in norms:
        norm.training = False
    return other
