"""How alike two networks look: their attention maps compared, layer by layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from facetrust.errors import UsageError


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """Returns (B, L) float32 in [0, 1]: 1 where a layer's maps are identical, 0 where they share nothing.

    The mean over query rows of 1 - the Jensen-Shannon divergence, base 2, of the rows of the two
    attention maps, each the mean over its heads. L is that of the shallower network; layers meet as
    in `matched`.

    Args:
        first, second: (B, L, H, N, N) maps of the same images, rows summing to one; L and H may differ.

    Raises:
        UsageError: the networks cut the images into different tokens.

    Source: Lin 1991, "Divergence measures based on the Shannon entropy", for the divergence; that
    agreement is one minus it is a choice.
    """
    if first.shape[-2:] != second.shape[-2:] or len(first) != len(second):
        raise UsageError(
            f"attention maps of {len(first)} images with {first.shape[-1]} tokens and of {len(second)} "
            f"with {second.shape[-1]}: only maps over the same images and tokens can be compared"
        )
    pairs = matched(first.shape[1], second.shape[1])
    rows = first[:, [a for a, _ in pairs]].float().mean(2)
    others = second[:, [b for _, b in pairs]].float().mean(2)
    divergence = _entropy((rows + others) / 2) - (_entropy(rows) + _entropy(others)) / 2
    return (1 - divergence / math.log(2)).clamp(0, 1).mean(-1)


def map_agreement(first: Tensor, second: Tensor) -> Tensor:
    """Returns (B, 1) float32 in [0, 1], as `agreement` of two maps that each say how much of a cell there is.

    Each map is a distribution over its cells; the finer one is averaged down to the grid of the coarser, so
    that networks of different stride can be compared.

    Args:
        first, second: (B, h, w), 0 or more, over the same images.
    """
    grid = (min(first.shape[1], second.shape[1]), min(first.shape[2], second.shape[2]))
    shares = []
    for each in (first, second):
        cells = functional.adaptive_avg_pool2d(each.float()[:, None], grid).flatten(1)
        total = cells.sum(1, keepdim=True)
        shares.append(torch.where(total > 0, cells / total, 1 / cells.shape[1]))  # Nothing is even.
    ours, theirs = (share[:, None, None, None] for share in shares)
    return agreement(ours, theirs)


def matched(first: int, second: int) -> list[tuple[int, int]]:
    """Returns which layers, counted from 0, of two depths meet: as high up, last with last."""
    shallow = min(first, second)
    steps = range(1, shallow + 1)
    return [(round(step * first / shallow) - 1, round(step * second / shallow) - 1) for step in steps]


def _entropy(rows: Tensor) -> Tensor:
    """Returns the entropy in nats (...) of rows (..., N)."""
    found: Tensor = torch.special.entr(rows).sum(-1)
    return found
