"""Where one layer's CLS token looks."""

from __future__ import annotations

from torch import Tensor

from facetrust.errors import UsageError
from facetrust.explain.methods._patches import Grid, Readout, laid_out


def attention(
    maps: Tensor, images: Tensor, *, layer: int = -1, grid: Grid | None = None, readout: Readout = "cls"
) -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: how much the CLS token of a layer attends to each place.

    The mean over the heads, prefix tokens dropped, the patch attended to most being 1 in every
    image. Attention has no sign: it says where the network looks, not whether what it finds there
    speaks for an attack.

    Args:
        maps: (B, L, H, N, N), rows summing to one.
        images: (B, 3, h, w) that the maps are of; only their size matters.
        layer: which of the L; negative counts from the end.
        grid: patches (down, across); if none, one prefix token and square patches are assumed.
        readout: `patches` takes the mean over the patch tokens' rows, for a network that pools them.

    Raises:
        UsageError: no such layer, or a grid that does not fit.

    Source: Dosovitskiy et al. 2021, arXiv 2010.11929, for what the maps are; the mean over heads and
    the scale are choices.
    """
    if not -maps.shape[1] <= layer < maps.shape[1]:
        raise UsageError(f"layer {layer}: the network has layers 0 to {maps.shape[1] - 1}")
    return laid_out(maps[:, layer].detach().mean(1), images, grid=grid, readout=readout)
