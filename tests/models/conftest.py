"""Small towers, and images that fit them."""

from __future__ import annotations

from types import SimpleNamespace
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


def _attention(
    weights: dict[str, Tensor], at: str, tokens: Tensor, *, heads: int, context: Tensor | None = None
) -> Tensor:
    """One token, head and image at a time; with a context, a token sees itself and that."""
    asking = _normed(weights, f"{at}.norm", tokens)
    seen = asking if context is None else torch.cat([asking, context], dim=1)
    query, both = asking @ weights[f"{at}.to_q.weight"].T, seen @ weights[f"{at}.to_kv.weight"].T
    mixed = torch.zeros_like(query)
    for image in range(len(query)):
        for head in range(heads):
            at_key = slice(64 * head, 64 * head + 64)
            at_value = slice(64 * (heads + head), 64 * (heads + head) + 64)
            for one in range(query.shape[1]):
                likeness = (
                    torch.stack([key @ query[image, one, at_key] for key in both[image, :, at_key]]) / 8
                )
                chance = likeness.exp() / likeness.exp().sum()
                values = both[image, :, at_value]
                mixed[image, one, at_key] = sum(c * value for c, value in zip(chance, values, strict=True))
    return mixed @ weights[f"{at}.to_out.0.weight"].T + weights[f"{at}.to_out.0.bias"]


def _feed_forward(weights: dict[str, Tensor], at: str, tokens: Tensor) -> Tensor:
    inner = _normed(weights, f"{at}.norm", tokens) @ weights[f"{at}.net.0.weight"].T
    inner = inner + weights[f"{at}.net.0.bias"]
    inner = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    return inner @ weights[f"{at}.net.3.weight"].T + weights[f"{at}.net.3.bias"]


def _normed(weights: dict[str, Tensor], at: str, tokens: Tensor) -> Tensor:
    away = tokens - tokens.mean(-1, keepdim=True)
    unit = away / (away.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return unit * weights[f"{at}.weight"] + weights[f"{at}.bias"]


@pytest.fixture
def slow() -> Any:
    """A transformer's parts written out, each given all weights and where its own begin."""
    return SimpleNamespace(attention=_attention, feed_forward=_feed_forward, normed=_normed)
