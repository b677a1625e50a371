"""One logit for two classes: what the tasks of judging a picture share."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from facetrust.losses.binary_cross_entropy import binary_cross_entropy
from facetrust.models import look_inside, mean_logits


class Binary(nn.Module):
    """Weighted binary cross-entropy of the model's mean logit over the crops of a face.

    With one logit for two classes this is the cross-entropy of FLIP's two similarities, the logit
    being their difference. `inside` keeps what the network computed on the way, for distillation.
    """

    def __init__(
        self, model: nn.Module, *, weight: float = 1.0, smoothing: float = 0.0, inside: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.smoothing = smoothing
        self.inside = inside
        self.weights = {"supervised": weight}

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `loss` and `supervised` (scalars), `logits` (B,), and `inside` if asked for.

        Args:
            batch: what `facetrust.data.dataset.collate` makes; the view `student` is used.
        """
        crops: Tensor = batch["views"]["student"]
        kept = {}
        if self.inside:
            kept["inside"] = look_inside(self.model, crops.flatten(0, 1))
            logits = kept["inside"].output.logit.float().reshape(crops.shape[:2]).mean(1)
        else:
            logits = mean_logits(self.model, crops)
        supervised = binary_cross_entropy(logits, batch["label"], smoothing=self.smoothing)
        loss = self.weights["supervised"] * supervised
        return {"loss": loss, "supervised": supervised, "logits": logits, **kept}
