"""Faces of one subject are drawn to one centre."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.losses import loss_module, settings_in, weight_of
from facetrust.models import images_of, over_crops

NAME = "toy-centres"


def objective(model: nn.Module, losses, *, identities: int) -> Tint:
    """Returns the objective for this many subjects."""
    return Tint(model, losses, identities)


class Tint(nn.Module):
    """Cross-entropy over the cosines with one learnt centre per subject."""

    accepts = (NAME,)
    figures: ClassVar[dict[str, str]] = {"same-gap": "max", "loss": "min"}

    def __init__(self, model: nn.Module, losses, identities: int) -> None:
        super().__init__()
        self.model = model
        self.weights = {NAME: weight_of(losses, NAME)}
        self.loss = loss_module(NAME, **settings_in(losses, NAME))
        self.centres = nn.Parameter(torch.randn(identities, 4, generator=torch.Generator().manual_seed(0)))

    def forward(self, batch):
        """Returns `loss`, its part and `outputs` (B, d)."""
        outputs = self.predict(self.model, batch)
        term = self.loss(outputs, self.centres, batch["target"])
        return {NAME: term, "loss": self.weights[NAME] * term, "outputs": outputs}

    def predict(self, model: nn.Module, batch) -> Tensor:
        """Returns embeddings (B, d) of unit length."""
        crops = batch["views"]["student"]
        return functional.normalize(over_crops(model(images_of(crops)).embedding, crops.shape[1]))

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Returns how much liker pairs of one subject are than others."""
        cosines = outputs @ outputs.T
        same = targets[:, None] == targets[None]
        gap = float(cosines[same].mean() - cosines[~same].mean())
        return {"same-gap": gap, "loss": -gap}
