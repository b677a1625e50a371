"""Identities told apart by a margin, a teacher's embeddings followed without any, or both."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.losses import ClassCentres, loss_module, settings_in, weight_of
from facetrust.metrics.auc import auc
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr
from facetrust.models import images_of, look_inside, over_crops

Losses = Mapping[str, Mapping[str, Any]]
MARGINS = ("adaface", "arcface", "combined-margin", "cosface")
_SAMPLED = "sampled"  # A margin loss's setting that is the centres'.
_MOST_FACES = 2000  # Of the development set; their pairs are two million.


def objective(
    model: nn.Module, losses: Losses = MappingProxyType({}), *, identities: int, inside: bool = False
) -> Recognition:
    """Returns the objective of telling so many identities apart; see `Recognition`."""
    return Recognition(model, losses, identities, inside=inside)


class Recognition(nn.Module):
    """The margin losses of a recipe over the cosines with a learnt centre per identity.

    ArcFace's if no loss is named at all. Where only losses that learn from a teacher are named, there are no
    centres and no identities are needed: any folder of faces will do. Rows without a subject are passed over
    by the margin losses. `inside` keeps what the network computed on the way, for distillation.

    Args:
        losses: weight and settings of one of `MARGINS`, or of several that share the centres; its setting
            `sampled` is the share of the centres that a step compares with (Partial FC).
        identities: of the training rows.

    Raises:
        UsageError: a margin loss with fewer than two identities, or two that sample differently.
    """

    accepts = MARGINS
    figures: ClassVar[dict[str, str]] = {"auc": "max", "tar-at-far-1e-2": "max", "tar-at-far-1e-3": "max"}

    def __init__(
        self,
        model: nn.Module,
        losses: Losses = MappingProxyType({}),
        identities: int = 0,
        *,
        inside: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.inside = inside
        names = [name for name in MARGINS if name in losses] if losses else ["arcface"]
        settings = {name: settings_in(losses, name) for name in names}
        shares = {float(each.pop(_SAMPLED, 1.0)) for each in settings.values()}
        if len(shares) > 1:
            raise UsageError(f"{_SAMPLED}: margin losses share their centres; give all the same share")
        self.weights = {name: weight_of(losses, name) for name in names}
        self.losses = nn.ModuleDict({name: loss_module(name, **each) for name, each in settings.items()})
        if names:
            self.centres = ClassCentres(identities, _width(model), share=shares.pop())

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns `loss` and its parts (scalars), `outputs` (B, d) of unit length, and `inside` if asked for.

        Args:
            batch: what `facetrust.data.dataset.collate` makes; the view `student` is used.
        """
        crops: Tensor = batch["views"]["student"]
        images = images_of(crops)
        kept = {"inside": look_inside(self.model, images)} if self.inside else {}
        output: Any = kept["inside"].output if kept else self.model(images)
        embedding = over_crops(output.embedding, crops.shape[1])
        terms = self._margins(embedding, batch["target"]) if self.weights else {}
        loss = sum((self.weights[name] * term for name, term in terms.items()), 0 * embedding.sum())
        return {**terms, "loss": loss, "outputs": functional.normalize(embedding), **kept}

    def _margins(self, embedding: Tensor, identities: Tensor) -> dict[str, Tensor]:
        named = identities >= 0
        if not named.any():
            return {name: 0 * embedding.sum() for name in self.weights}
        faces = embedding[named]
        cosines, own = self.centres(faces, identities[named])
        norms = faces.float().norm(dim=1)
        return {
            name: loss(cosines, norms, own) if name == "adaface" else loss(cosines, own)
            for name, loss in self.losses.items()
        }

    def predict(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Returns a model's embeddings (B, d) of unit length, for the view `student`."""
        crops: Tensor = batch["views"]["student"]
        return functional.normalize(over_crops(model(images_of(crops)).embedding, crops.shape[1]))

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Returns how well cosines tell pairs of one person from others, over all `pairs`.

        AUC, and the share of same pairs accepted where 1 % and 0.1 % of the others are.
        """
        same, cosines = self.pairs(outputs, targets)
        return {
            "auc": float(auc(same, cosines)),
            "tar-at-far-1e-2": tpr_at_fpr(same, cosines, fpr=1e-2),
            "tar-at-far-1e-3": tpr_at_fpr(same, cosines, fpr=1e-3),
        }

    def pairs(self, outputs: Tensor, targets: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns for all pairs of named faces whether they show one person (P,), and their cosines (P,).

        Thresholds are fitted on them. Of more than 2,000 faces, 2,000 are drawn once for all.

        Args:
            outputs: (N, d) of unit length. targets: (N,) identities.

        Raises:
            UsageError: no person has two faces, or all faces are one person's.
        """
        rows = np.flatnonzero(targets.numpy() >= 0)
        rows = np.random.default_rng(0).permutation(rows)[:_MOST_FACES]
        first, second = np.triu_indices(len(rows), 1)
        people = targets.numpy()[rows]
        same = (people[first] == people[second]).astype(np.int64)
        if not 0 < same.sum() < len(same):
            raise UsageError(
                "development rows make no pairs to choose by: name the subjects of some faces, "
                "of one person twice at least"
            )
        vectors = outputs[torch.from_numpy(rows)].double()
        return same, (vectors @ vectors.T).numpy()[first, second]


def _width(model: nn.Module) -> int:
    width = getattr(model, "dimensions", None)
    if not isinstance(width, int):
        raise UsageError(
            f"{type(model).__name__} gives no embedding, or does not say how wide; "
            "take a network for faces, such as mobilefacenet"
        )
    return width
