"""Small towers, and images that fit them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facetrust.models import create_model

SMALL: dict[str, Any] = {"image_size": (48, 32), "layers": 2}


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 48, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def _flip() -> nn.Module:
    torch.manual_seed(0)
    model = create_model("flip-it", clip="vit-t16", **SMALL).eval()
    # Random sentences hardly differ: their embeddings are pushed apart so that the answer says something.
    with torch.no_grad():
        model.model.positional_embedding.normal_()
        model.model.token_embedding.weight.mul_(20)
    return model


@pytest.fixture
def flip_it(_flip: nn.Module) -> nn.Module:
    """FLIP-IT with the smallest towers, two blocks each; shared, so leave it as it is."""
    return _flip
