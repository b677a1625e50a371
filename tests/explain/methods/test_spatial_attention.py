"""The energy of a feature map, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facetrust.errors import UsageError
from facetrust.explain.methods.spatial_attention import energy_of, spatial_attention


class Doubled(nn.Module):
    """Its map of 4 x 4 cells has two channels: the image's mean red of each cell, and twice that."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 2, 8, 8, bias=False)
        self.flat = nn.Flatten()
        with torch.no_grad():
            self.features.weight.zero_()
            self.features.weight[0, 0], self.features.weight[1, 0] = 1 / 64, 2 / 64

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.flat(self.features(images))


def test_it_is_the_sum_of_squares_over_channels():
    images = torch.zeros(2, 3, 32, 32)
    images[0, 0, 8:16, 24:32] = -3
    energy = energy_of(Doubled(), images)
    wanted = torch.zeros(2, 4, 4)
    wanted[0, 1, 3] = 3**2 + 6**2
    assert torch.allclose(energy, wanted)
    drawn = spatial_attention(Doubled(), images)
    assert drawn.amax((1, 2)).tolist() == [1.0, 0.0]
    assert drawn[0, 8:16, 24:32].mean() > 0.5


def test_a_model_without_such_a_map_says_so():
    with pytest.raises(UsageError, match="no module 'blocks'; its own are features, flat"):
        energy_of(Doubled(), torch.zeros(1, 3, 32, 32), layer="blocks")
    with pytest.raises(UsageError, match="'flat' gives no map"):
        energy_of(Doubled(), torch.zeros(1, 3, 32, 32), layer="flat")
