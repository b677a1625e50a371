"""A learnt centre per identity, all of them or a sample (Partial FC)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.losses._check import within


class ClassCentres(nn.Module):
    """Cosines between faces and a learnt centre per identity, which margin losses are given.

    With a share below 1, training compares with the centres of the batch's own identities and of others
    drawn at random, so many that they are this share of all; the loss of a million identities then
    costs what it does for so much fewer. Source: An et al. 2022 (Partial FC, arXiv 2203.15565).

    Args:
        identities: how many there are. width: of the embeddings.
        share: of the centres that a step compares with, in (0, 1].

    Raises:
        UsageError: fewer than two identities, or a share out of range.
    """

    def __init__(self, identities: int, width: int, *, share: float = 1.0) -> None:
        super().__init__()
        if identities < 2:
            raise UsageError(f"{identities} identities: a margin loss tells at least two apart")
        within(1e-6, 1, share=share)
        self.share = share
        self.weight = nn.Parameter(torch.empty(identities, width))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, embedding: Tensor, identities: Tensor) -> tuple[Tensor, Tensor]:
        """Returns cosines (B, C) float32, and each face's own column (B,) int64 among them.

        C is the number of identities, or of those drawn, in the order of their numbers.

        Args:
            embedding: (B, d) of any length.
            identities: (B,) int64.
        """
        centres: Tensor = self.weight
        own = identities
        if self.training and self.share < 1:
            chosen = self.drawn(identities)
            centres, own = centres[chosen], torch.searchsorted(chosen, identities)
        # Cosines times 64 need more than half precision.
        with torch.autocast(embedding.device.type, enabled=False):
            faces = functional.normalize(embedding.float(), dim=1)
            return faces @ functional.normalize(centres.float(), dim=1).T, own

    def drawn(self, identities: Tensor) -> Tensor:
        """Returns the sorted numbers of one step's centres: all of the batch, and a sample of others."""
        chance = torch.rand(len(self.weight), device=identities.device)
        chance[identities] = 2  # Above all that were drawn.
        count = max(len(set(identities.tolist())), round(self.share * len(self.weight)))
        return chance.topk(count).indices.sort().values
