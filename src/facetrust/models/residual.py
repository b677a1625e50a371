"""A timm backbone that sees what a smooth picture lacks: the traces of cameras, coders and generators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.models._output import Score
from facetrust.models.timm import Mapped, timm

_BINOMIAL = (1.0, 2.0, 1.0)
_FLAT = 1e-3  # Deviation below which a residual holds nothing that could be brought to 1.
_LIMIT = 4.0  # Deviations at which a residual is cut, so that edges do not drown the rest.


def residual(backbone: str, *, image_size: tuple[int, int] = (128, 128), **settings: Any) -> Residual:
    """Returns the backbone `backbone` behind a fixed high-pass filter; its settings are those of `timm`.

    Args:
        backbone: a name of `timm.list_models()`.
        image_size: (height, width) in pixels.
        settings: `stage`, `block`, `dropout`, `pretrained` and so on; see `timm`.

    Raises:
        UnknownName, UsageError, ModelError: as `timm`.
    """
    return Residual(timm(backbone, image_size=image_size, **settings))


class Residual(nn.Module):
    """What is left of each channel without its 3 x 3 binomial blur goes into a network.

    It is brought to deviation 1 by its own values, those of all channels together, so that neither contrast
    nor the amount of grain tells anything, and cut at 4. Source: residuals as a detector's input are those of
    Fridrich and Kodovsky 2012, "Rich Models for Steganalysis of Digital Images".
    """

    binomial: Tensor

    def __init__(self, network: Mapped) -> None:
        super().__init__()
        self.network = network
        row = torch.tensor(_BINOMIAL) / sum(_BINOMIAL)
        self.register_buffer("binomial", torch.outer(row, row).expand(3, 1, 3, 3).clone(), persistent=False)

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, gh, gw) for images (B, 3, h, w)."""
        answer: Score = self.network(self.residuals(images))
        return answer

    def residuals(self, images: Tensor) -> Tensor:
        """Returns the residuals (B, 3, h, w) of images (B, 3, h, w)."""
        smooth = functional.conv2d(functional.pad(images, (1, 1, 1, 1), "reflect"), self.binomial, groups=3)
        left = images - smooth
        deviation = left.square().mean((1, 2, 3), keepdim=True).sqrt()
        return (left / deviation.clamp_min(_FLAT)).clamp(-_LIMIT, _LIMIT)

    @property
    def evidence_means(self) -> str:
        """What a cell of the evidence is, for the card."""
        return self.network.evidence_means
