from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.nt_xent import nt_xent


def slow(first: np.ndarray, second: np.ndarray, temperature: float) -> list[float]:
    views = [x / np.linalg.norm(x) for x in (*first, *second)]
    count = len(first)
    anchors = []
    for i in range(2 * count):
        similar = [math.exp(float(views[i] @ views[j]) / temperature) for j in range(2 * count)]
        positive = similar[(i + count) % (2 * count)]
        anchors.append(-math.log(positive / (sum(similar) - similar[i])))
    return [(anchors[i] + anchors[i + count]) / 2 for i in range(count)]


def features(seed: int, count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.randn(2, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return draw[0], draw[1]


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_agrees_with_the_formula_anchor_by_anchor(temperature: float) -> None:
    first, second = features(0)
    expected = slow(first.numpy(), second.numpy(), temperature)
    found = nt_xent(first, second, temperature=temperature, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-9)
    assert loss_module("nt-xent", temperature=temperature)(first, second).item() == pytest.approx(
        sum(expected) / 5
    )


def test_views_all_alike_give_the_logarithm_of_the_candidates() -> None:
    same = torch.ones(4, 3)
    assert nt_xent(same, same).item() == pytest.approx(math.log(7))


def test_one_sample_has_no_negatives_and_costs_nothing() -> None:
    assert nt_xent(*features(1, count=1)).item() == 0


def test_agreeing_views_of_samples_far_apart_cost_almost_nothing() -> None:
    apart = torch.eye(4)
    assert nt_xent(apart, apart).item() == pytest.approx(math.log(1 + 6 * math.exp(-10)), rel=1e-2)
    assert nt_xent(apart, apart.roll(1, 0)).item() > 9


def test_the_length_of_a_feature_does_not_matter() -> None:
    first, second = features(2)
    assert nt_xent(7 * first, second).item() == pytest.approx(nt_xent(first, second).item())


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="temperature: 0 is not above 0"):
        nt_xent(*features(3), temperature=0)
