"""Binary cross-entropy on logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.losses._reduction import Reduction, reduced


def binary_cross_entropy(
    logits: Tensor, labels: Tensor, *, smoothing: float = 0.0, reduction: Reduction = "mean"
) -> Tensor:
    """Returns -[t log s(z) + (1 - t) log(1 - s(z))], s the sigmoid, t the label drawn towards 1/2.

    Args:
        logits: (B,) float.
        labels: (B,) in [0, 1]; 1 = attack.
        smoothing: e in [0, 1]; t = (1 - e) label + e / 2.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    if not 0 <= smoothing <= 1:
        raise UsageError(f"smoothing: {smoothing} is not in [0, 1]")
    targets = labels.to(logits.dtype) * (1 - smoothing) + smoothing / 2
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return reduced(each, reduction)
