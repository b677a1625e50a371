"""Cross-entropy per pixel."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from facetrust.losses import loss_module, settings_in, weight_of
from facetrust.models import images_of

NAME = "toy-pixels"


def objective(model: nn.Module, losses, *, classes) -> Quarters:
    """Returns the objective for these classes."""
    return Quarters(model, losses, len(classes))


class Quarters(nn.Module):
    """The network answers with one logit per class and pixel."""

    accepts = (NAME,)
    figures: ClassVar[dict[str, str]] = {"agreement": "max", "loss": "min"}

    def __init__(self, model: nn.Module, losses, count: int) -> None:
        super().__init__()
        self.model = model
        self.count = count
        self.weights = {NAME: weight_of(losses, NAME)}
        self.loss = loss_module(NAME, **settings_in(losses, NAME))

    def forward(self, batch):
        """Returns `loss`, its part and `outputs` (B * M, C, h, w)."""
        outputs = self.predict(self.model, batch)
        term = self.loss(outputs, batch["target"].flatten(0, 1))
        return {NAME: term, "loss": self.weights[NAME] * term, "outputs": outputs}

    def predict(self, model: nn.Module, batch) -> Tensor:
        """Returns logits (B * M, C, h, w)."""
        return model(images_of(batch["views"]["student"])).logits

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Returns the share of pixels that are right."""
        right = outputs.argmax(1) == targets.flatten(0, 1)
        return {"agreement": float(right.float().mean()), "loss": float(1 - right.float().mean())}
