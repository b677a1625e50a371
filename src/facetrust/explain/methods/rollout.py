"""Attention rollout: which patches the last CLS token is a mixture of, all layers taken together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from facetrust.errors import UnknownName, UsageError
from facetrust.explain.methods._patches import Grid, Readout, laid_out

Fusion = Literal["mean", "max", "min"]
_FUSIONS: dict[str, Callable[..., Tensor]] = {"mean": torch.mean, "max": torch.amax, "min": torch.amin}


def rollout(
    maps: Tensor,
    images: Tensor,
    *,
    fusion: Fusion = "mean",
    discard: float = 0.0,
    grid: Grid | None = None,
    readout: Readout = "cls",
) -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: how much of each place reaches the CLS token of the last layer.

    The patch that reaches it most is 1 in every image. Like all attention it has no sign: it says
    where the network looks, not whether what it finds there speaks for an attack.

    Args:
        maps: (B, L, H, N, N), rows summing to one, first layer first.
        images: (B, 3, h, w) that the maps are of; only their size matters.
        fusion: how the heads of a layer become one map.
        discard: share of each fused map, its lowest entries, that is set to zero, in [0, 1).
        grid: patches (down, across); if none, one prefix token and square patches are assumed.
        readout: `patches` takes the mean over the patch tokens' rows, for a network that pools them.

    Raises:
        UsageError: an unknown fusion, a share outside [0, 1), or a grid that does not fit.

    Source: Abnar and Zuidema 2020, arXiv 2005.00928, "Attention Rollout". `max`, `min` and `discard`
    are later additions; after them rows are made to sum to one again.
    """
    return laid_out(rolled_out(maps, fusion=fusion, discard=discard), images, grid=grid, readout=readout)


def rolled_out(maps: Tensor, *, fusion: Fusion = "mean", discard: float = 0.0) -> Tensor:
    """Returns (B, N, N) float32: row i holds the shares of the input tokens in token i after all layers.

    The product over layers, the last leftmost, of half the fused attention and half the identity,
    for the residual path; every row sums to one. Arguments and errors are those of `rollout`.
    """
    if fusion not in _FUSIONS:
        raise UnknownName("fusion", fusion, _FUSIONS)
    if not 0 <= discard < 1:
        raise UsageError(f"discard {discard}: a share from 0 up to, not including, 1")
    fused = _without_lowest(_FUSIONS[fusion](maps.detach().float(), 2), discard)
    own = torch.eye(fused.shape[-1], device=fused.device)
    steps = 0.5 * fused + 0.5 * own
    steps = steps / steps.sum(-1, keepdim=True)
    mixed = steps[:, 0]
    for layer in range(1, steps.shape[1]):
        mixed = steps[:, layer] @ mixed
    return mixed


def _without_lowest(fused: Tensor, share: float) -> Tensor:
    """Returns the maps (B, L, N, N) with the lowest share of each one's entries set to zero."""
    flat = fused.flatten(2)
    lowest = flat.argsort(-1)[..., : int(share * flat.shape[-1])]
    return flat.scatter(-1, lowest, 0.0).view_as(fused)
