"""A small network with scores that spread, its card, and faces that tell its inputs apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facetrust.models import Score
from facetrust.records import ModelCard, Preprocessing, Threshold


class Small(nn.Module):
    """Two convolutions with batch norms, a third norm before the 1x1 head."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.Hardswish(),
            nn.Conv2d(8, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.BatchNorm2d(16),
        )
        self.head = nn.Conv2d(16, 1, 1)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.3)
                part.running_mean.uniform_(-0.2, 0.2)
                part.running_var.uniform_(0.2, 0.6)
        nn.init.normal_(self.head.weight, std=0.5)

    def forward(self, images: Tensor) -> Score:
        evidence = self.head(self.body(images))[:, 0]
        return Score(evidence.mean((1, 2)), evidence)


@pytest.fixture
def small() -> type[Small]:
    return Small


@pytest.fixture
def model() -> nn.Module:
    return Small().eval()


@pytest.fixture
def card() -> ModelCard:
    how = Preprocessing(size=(32, 24), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    return ModelCard(
        name="small",
        task="antispoof",
        architecture="small",
        preprocessing=how,
        score_means="attack",
        thresholds=(Threshold(value=0.5, rule="by hand", manifest="none", split="dev"),),
    )


def make_faces(count: int, *, seed: int = 0, size: tuple[int, int] = (32, 24)) -> np.ndarray:
    """Returns (count, h, w, 3) uint8: a tint of its own, a slope and grain per face."""
    random = np.random.default_rng(seed)
    tint = random.uniform(30, 220, (count, 1, 1, 3))
    slope = np.linspace(-1, 1, size[0])[None, :, None, None] * random.uniform(-60, 60, (count, 1, 1, 1))
    grain = random.normal(0, 12, (count, *size, 3))
    return np.clip(tint + slope + grain, 0, 255).astype(np.uint8)


@pytest.fixture
def crops() -> np.ndarray:
    return make_faces(24)


@pytest.fixture
def faces() -> Callable[..., np.ndarray]:
    return make_faces
