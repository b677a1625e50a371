"""From shares of patch tokens to a picture: what the explanations by attention have in common."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from facetrust.errors import UsageError

Grid = tuple[int, int]
Readout = Literal["cls", "patches"]


def laid_out(mixed: Tensor, images: Tensor, *, grid: Grid | None, readout: Readout) -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: how much the answer's token draws from each place.

    Shares are divided by the largest of the image, so that 1 is the patch drawn from most and 0 is
    nothing; each patch is kept at its centre and blended linearly between.

    Args:
        mixed: (B, N, N) what each token is a mixture of, prefix tokens first, then patches row by row.
        images: (B, 3, h, w); only their size matters.
        grid: patches (down, across); if none, one prefix token and square patches are assumed.
        readout: `cls` follows the first token, `patches` the mean over the patch tokens, which is
            right for a network that pools them.

    Raises:
        UsageError: the grid does not fit the tokens, or there is no CLS token to follow.
    """
    size = (int(images.shape[-2]), int(images.shape[-1]))
    rows, columns = grid or _grid_of(mixed.shape[-1] - 1, size)
    prefix = mixed.shape[-1] - rows * columns
    if prefix < 0 or rows < 1 or columns < 1:
        raise UsageError(f"grid: {rows}x{columns} patches do not fit {mixed.shape[-1]} tokens")
    if readout == "cls" and not prefix:
        raise UsageError("readout: this network has no CLS token; take readout='patches'")
    drawn = mixed[:, 0] if readout == "cls" else mixed[:, prefix:].mean(1)
    shares = drawn[:, prefix:].float()
    top = shares.amax(1, keepdim=True)
    scaled = (shares / top.clamp_min(torch.finfo(torch.float32).tiny)).reshape(-1, 1, rows, columns)
    return functional.interpolate(scaled, size, mode="bilinear", align_corners=False)[:, 0]


def _grid_of(patches: int, size: tuple[int, int]) -> Grid:
    """Returns the grid whose shape is nearest to that of the image."""
    fitting = [(rows, patches // rows) for rows in range(1, patches + 1) if patches % rows == 0]
    wanted = math.log(size[0] / size[1])
    return min(fitting or [(0, 0)], key=lambda grid: abs(math.log(grid[0] / grid[1]) - wanted))
