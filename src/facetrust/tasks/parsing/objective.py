"""A class for every pixel: how parsing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from facetrust.losses import loss_module, settings_in, weight_of
from facetrust.metrics.mean_f1 import mean_f1
from facetrust.metrics.mean_iou import mean_iou
from facetrust.models import images_of

Losses = Mapping[str, Mapping[str, Any]]
_MAIN = "cross-entropy"


def objective(
    model: nn.Module, losses: Losses = MappingProxyType({}), *, classes: Sequence[str], inside: bool = False
) -> Parsing:
    """Returns the objective of telling the classes of all pixels apart; see `Parsing`."""
    return Parsing(model, losses, len(classes))


class Parsing(nn.Module):
    """Weighted losses of a network's logits per class and pixel against masks.

    Args:
        losses: weight and settings of `cross-entropy` (weight 1 if it is not among them), `dice` and `lovasz`
            (each left out if it is not among them).
        count: number of classes.
    """

    accepts = (_MAIN, "dice", "lovasz")
    figures: ClassVar[dict[str, str]] = {"mean-f1": "max", "mean-iou": "max"}

    def __init__(self, model: nn.Module, losses: Losses, count: int) -> None:
        super().__init__()
        self.model = model
        self.count = count
        self.weights = {_MAIN: weight_of(losses, _MAIN)}
        self.weights |= {name: weight_of(losses, name) for name in self.accepts if name in losses}
        self.losses = nn.ModuleDict(
            {name: loss_module(name, **settings_in(losses, name)) for name in self.weights}
        )

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `loss` and its parts (scalars), and `outputs`, the logits (B * M, C, h, w).

        Args:
            batch: what `facetrust.data.dataset.collate` makes; the view `student` and `target`
                (B, M, h, w) are used.
        """
        outputs = self._logits(self.model, batch)
        truth = batch["target"].flatten(0, 1)
        terms = {name: loss(outputs.float(), truth) for name, loss in self.losses.items()}
        loss = sum(self.weights[name] * term for name, term in terms.items())
        return {**terms, "loss": loss, "outputs": outputs}

    def predict(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Returns the likeliest class (B, M, h, w) of each pixel by a model, such as the averaged one."""
        target = batch["target"]
        return self._logits(model, batch).argmax(1).to(torch.uint8).reshape(target.shape)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Returns mean F1 and mean IoU of classes against the masks, over all pixels of all pictures."""
        cells = targets.long().flatten() * self.count + outputs.long().flatten()
        counts = torch.bincount(cells, minlength=self.count**2).reshape(self.count, -1).numpy()
        return {"mean-f1": mean_f1(counts), "mean-iou": mean_iou(counts)}

    def _logits(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        logits: Tensor = model(images_of(batch["views"]["student"])).logits
        return logits
