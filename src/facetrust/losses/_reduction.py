"""How one number per sample becomes the loss."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from facetrust.errors import UnknownName

Reduction = Literal["mean", "none"]


def reduced(each: Tensor, reduction: Reduction) -> Tensor:
    """Returns the mean of (B,), a scalar, for `"mean"`, and (B,) as it is for `"none"`."""
    if reduction not in ("mean", "none"):
        raise UnknownName("reduction", reduction, ("mean", "none"))
    return each.mean() if reduction == "mean" else each
