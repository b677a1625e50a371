"""A head that compares an embedding with one vector for attacks and one for live faces."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.models._output import Score

SCALE = math.log(1 / 0.07)  # As CLIP begins; kept as a logarithm, so that the factor stays above zero.
_LEAST = 1e-12


class Cosine(nn.Module):
    """Learns `classes` (2, d), [spoof, live] and not normalised, and `logit_scale`, a logarithm.

    The logit is exp(logit_scale) * (cos(v, spoof) - cos(v, live)): its sigmoid is the softmax's
    chance of "spoof" where CLIP's two classes are compared (arXiv 2309.16649, section 3.2).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.classes = nn.Parameter(torch.randn(2, width) * width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(SCALE))

    def forward(self, embedding: Tensor) -> Tensor:
        """Returns logits (B,) for embeddings (B, d)."""
        return logit_of(embedding, self.classes, self.logit_scale)

    def over(self, parts: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer to the mean over the cells of parts (B, gh, gw, d), and that mean (B, d).

        Up to the mean's length the cosine is linear in it, so that each cell has its own exact share.
        """
        embedding = parts.mean((1, 2))
        length = embedding.norm(dim=1)[:, None, None].clamp_min(_LEAST)
        evidence = parts @ direction(self.classes, self.logit_scale) / length
        return Score(evidence.mean((1, 2)), evidence), embedding

    def take_classes(self, embeddings: Tensor, logit_scale: Tensor | None = None) -> None:
        """Sets the class embeddings (2, d), [spoof, live], and the scale's logarithm if given.

        Raises:
            UsageError: they are not of this head's width.
        """
        if embeddings.shape != self.classes.shape:
            given, wanted = tuple(embeddings.shape), tuple(self.classes.shape)
            raise UsageError(f"class embeddings {given}: this head takes {wanted}; set the same embedding")
        with torch.no_grad():
            self.classes.copy_(embeddings)
            if logit_scale is not None:
                self.logit_scale.copy_(logit_scale)


def logit_of(embedding: Tensor, classes: Tensor, logit_scale: Tensor) -> Tensor:
    """Returns logits (B,) of embeddings (B, d) against classes (2, d); nothing need be normalised."""
    return functional.normalize(embedding, dim=1, eps=_LEAST) @ direction(classes, logit_scale)


def direction(classes: Tensor, logit_scale: Tensor) -> Tensor:
    """Returns (d,), whose product with a unit embedding is the logit."""
    spoof, live = functional.normalize(classes, dim=1, eps=_LEAST).unbind()
    return logit_scale.exp() * (spoof - live)
