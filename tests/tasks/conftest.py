"""A network and a batch that can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facetrust.models import Output


class Brightness(nn.Module):
    """The logit is a factor times the mean pixel; it is its own embedding, beside a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def answer(self, images: Tensor) -> tuple[Output, Tensor]:
        evidence = self.factor * images.mean(1)
        output = Output(evidence.mean((1, 2)), evidence)
        return output, torch.stack([output.logit, torch.ones_like(output.logit)], dim=1)

    def forward(self, images: Tensor) -> Output:
        return self.answer(images)[0]


def _batch(**views: float) -> dict[str, object]:
    """Returns two faces with two crops each, every crop of one brightness: the value, and its triple."""
    crops = {
        name: torch.stack([torch.full((2, 3, 4, 4), value), torch.full((2, 3, 4, 4), 3 * value)])
        for name, value in views.items()
    }
    return {"views": crops, "label": torch.tensor([0.0, 1.0])}


@pytest.fixture
def brightness() -> type[Brightness]:
    return Brightness


@pytest.fixture
def batch() -> Callable[..., dict[str, Any]]:
    return _batch
