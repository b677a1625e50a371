"""One logit for two classes: how the questions with two answers are trained."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from facetrust.losses import loss_module, settings_in, weight_of
from facetrust.metrics.auc import auc
from facetrust.models import images_of, look_inside, mean_logits, over_crops

Losses = Mapping[str, Mapping[str, Any]]
_LABELS, _MAP = "binary-cross-entropy", "evidence-cross-entropy"


def objective(model: nn.Module, losses: Losses = MappingProxyType({}), *, inside: bool = False) -> Binary:
    """Returns the objective of telling label 1 from label 0 with one logit; see `Binary`."""
    return Binary(model, losses, inside=inside)


class Binary(nn.Module):
    """Weighted binary cross-entropy of the model's mean logit over the crops of a face.

    With one logit for two classes this is the cross-entropy of FLIP's two similarities, the logit
    being their difference. `inside` keeps what the network computed on the way, for distillation.

    Args:
        losses: weight and settings of `binary-cross-entropy` (weight 1 if it is not among them) and of
            `evidence-cross-entropy` of the evidence map with the batch's masks (left out if not among them).
    """

    accepts = ("binary-cross-entropy", "evidence-cross-entropy")
    figures: ClassVar[dict[str, str]] = {"auc": "max", "loss": "min"}

    def __init__(
        self, model: nn.Module, losses: Losses = MappingProxyType({}), *, inside: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.inside = inside
        self.weights = {_LABELS: weight_of(losses, _LABELS)}
        if _MAP in losses and weight_of(losses, _MAP):
            self.weights[_MAP] = weight_of(losses, _MAP)
        self.losses = nn.ModuleDict(
            {name: loss_module(name, **settings_in(losses, name)) for name in self.weights}
        )

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `loss` and its parts (scalars), `outputs`, the logits (B,), and `inside` if asked for.

        Args:
            batch: what `facetrust.data.dataset.collate` makes; the view `student` is used, and `mask`.
        """
        crops: Tensor = batch["views"]["student"]
        images = images_of(crops)
        kept = {"inside": look_inside(self.model, images)} if self.inside else {}
        output = kept["inside"].output if kept else self.model(images)
        logits = over_crops(output.logit, crops.shape[1])
        terms = {_LABELS: self.losses[_LABELS](logits, batch["target"])}
        if _MAP in self.weights:
            terms[_MAP] = self.losses[_MAP](output.evidence.float(), batch["mask"].flatten(0, 1))
        loss = sum(self.weights[name] * term for name, term in terms.items())
        return {**terms, "loss": loss, "outputs": logits, **kept}

    def predict(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Returns the logits (B,) of a model, such as the averaged one, for the view `student`."""
        return mean_logits(model, batch["views"]["student"])

    def scores(self, outputs: Tensor) -> Tensor:
        """Returns logits (N,) as scores in [0, 1], float64, for a threshold to be fitted on."""
        return outputs.double().sigmoid()

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Returns AUC and cross-entropy of logits (N,) against labels (N,)."""
        loss = functional.binary_cross_entropy_with_logits(outputs.double(), targets.double())
        return {"auc": float(auc(targets.numpy(), self.scores(outputs).numpy())), "loss": float(loss)}
