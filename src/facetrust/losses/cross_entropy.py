"""Cross-entropy of the classes of pixels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.losses._reduction import Reduction, reduced


def cross_entropy(
    classes: Tensor, truth: Tensor, *, smoothing: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """Returns -log softmax(z)_t averaged over the pixels, t the pixel's true class.

    Args:
        classes: (B, C, h, w) logits z.
        truth: (B, h, w) indices of classes.
        smoothing: e in [0, 1]; the target is 1 - e + e / C for the true class and e / C for the others.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    if not 0 <= smoothing <= 1:
        raise UsageError(f"smoothing: {smoothing} is not in [0, 1]")
    each = functional.cross_entropy(classes, truth.long(), reduction="none", label_smoothing=smoothing)
    return reduced(each.mean((1, 2)), reduction)
