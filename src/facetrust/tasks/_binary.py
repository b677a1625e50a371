"""One logit for two classes: what the tasks of judging a picture share."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from facetrust.losses.binary_cross_entropy import binary_cross_entropy
from facetrust.losses.evidence_cross_entropy import evidence_cross_entropy
from facetrust.models import images_of, look_inside, over_crops


class Binary(nn.Module):
    """Weighted binary cross-entropy of the model's mean logit over the crops of a face.

    With one logit for two classes this is the cross-entropy of FLIP's two similarities, the logit
    being their difference. `evidence`, if not 0, is the weight of the evidence map's cross-entropy with
    the batch's masks. `inside` keeps what the network computed on the way, for distillation.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        weight: float = 1.0,
        smoothing: float = 0.0,
        evidence: float = 0.0,
        inside: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.smoothing = smoothing
        self.inside = inside
        self.weights = {"supervised": weight, **({"evidence": evidence} if evidence else {})}

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `loss` and its parts (scalars), `logits` (B,), and `inside` if asked for.

        Args:
            batch: what `facetrust.data.dataset.collate` makes; the view `student` is used, and `mask`.
        """
        crops: Tensor = batch["views"]["student"]
        images = images_of(crops)
        kept = {"inside": look_inside(self.model, images)} if self.inside else {}
        output = kept["inside"].output if kept else self.model(images)
        logits = over_crops(output.logit, crops.shape[1])
        terms = {"supervised": binary_cross_entropy(logits, batch["label"], smoothing=self.smoothing)}
        if "evidence" in self.weights:
            terms["evidence"] = evidence_cross_entropy(output.evidence.float(), batch["mask"].flatten(0, 1))
        loss = sum(self.weights[name] * term for name, term in terms.items())
        return {**terms, "loss": loss, "logits": logits, **kept}
