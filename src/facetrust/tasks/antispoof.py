"""Live person or presentation attack."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from facetrust.losses.binary_cross_entropy import binary_cross_entropy
from facetrust.models import mean_logits


def antispoof(model: nn.Module, *, weight: float = 1.0, smoothing: float = 0.0) -> Antispoof:
    """Returns the task of telling attacks (1) from live faces (0) with one logit."""
    return Antispoof(model, weight=weight, smoothing=smoothing)


class Antispoof(nn.Module):
    """Weighted binary cross-entropy of the model's mean logit over the crops of a face."""

    def __init__(self, model: nn.Module, *, weight: float = 1.0, smoothing: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.smoothing = smoothing
        self.weights = {"supervised": weight}

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Returns `loss` and `supervised` (scalars) and `logits` (B,).

        Args:
            batch: what `facetrust.data.dataset.collate` makes; the view `student` is used.
        """
        logits = mean_logits(self.model, batch["views"]["student"])
        supervised = binary_cross_entropy(logits, batch["label"], smoothing=self.smoothing)
        return {"loss": self.weights["supervised"] * supervised, "supervised": supervised, "logits": logits}
