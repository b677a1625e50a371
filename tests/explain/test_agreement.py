from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from facetrust.errors import UsageError
from facetrust.explain.agreement import agreement, matched


def random_maps(*shape: int, seed: int) -> Tensor:
    return (3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).softmax(-1)


def slow(first: Tensor, second: Tensor) -> float:
    """Returns the agreement of one layer's maps (H, N, N) of one image, term by term in bits."""
    tokens, total = first.shape[-1], 0.0
    for query in range(tokens):
        p = [sum(head[query, key].item() for head in first) / len(first) for key in range(tokens)]
        q = [sum(head[query, key].item() for head in second) / len(second) for key in range(tokens)]
        for a, b in zip(p, q, strict=True):
            middle = (a + b) / 2
            total += 0.5 * sum(x * math.log2(x / middle) for x in (a, b) if x > 0)
    return 1 - total / tokens


def test_agrees_with_the_slow_sum_though_heads_differ() -> None:
    first, second = random_maps(2, 3, 4, 6, 6, seed=0), random_maps(2, 3, 1, 6, 6, seed=1)
    found = agreement(first, second)
    assert found.shape == (2, 3)
    for image in range(2):
        for layer in range(3):
            expected = slow(first[image, layer], second[image, layer])
            assert 0.05 < expected < 0.95
            assert found[image, layer].item() == pytest.approx(expected, abs=1e-5)


def test_identical_maps_agree_wholly_and_disjoint_ones_not_at_all() -> None:
    maps = random_maps(1, 2, 3, 5, 5, seed=0)
    assert agreement(maps, maps).tolist() == [[pytest.approx(1, abs=1e-6)] * 2]
    own = torch.eye(4).expand(1, 1, 2, 4, 4)
    assert agreement(own, own.roll(1, -1)).item() == 0
    assert agreement(own, own).item() == 1


def test_half_the_attention_elsewhere_has_its_closed_form() -> None:
    """JS of (1, 0) and (1/2, 1/2) is 3/2 - 3/4 log2 3 bits."""
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).reshape(1, 1, 1, 2, 2)
    second = torch.full((1, 1, 1, 2, 2), 0.5)
    expected = 1 - (1.5 - 0.75 * math.log2(3))
    assert agreement(first, second).item() == pytest.approx(expected, abs=1e-6)
    assert agreement(second, first).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("depths", "pairs"),
    [
        ((3, 3), [(0, 0), (1, 1), (2, 2)]),
        ((12, 4), [(2, 0), (5, 1), (8, 2), (11, 3)]),
        ((2, 6), [(0, 2), (1, 5)]),
        ((1, 5), [(0, 4)]),
    ],
)
def test_layers_meet_by_depth_and_last_with_last(
    depths: tuple[int, int], pairs: list[tuple[int, int]]
) -> None:
    assert matched(*depths) == pairs


def test_a_shallower_network_is_held_against_the_layers_it_meets() -> None:
    deep, shallow = random_maps(1, 6, 2, 4, 4, seed=0), random_maps(1, 2, 2, 4, 4, seed=1)
    assert torch.equal(agreement(deep, shallow), agreement(deep[:, [2, 5]], shallow))


def test_other_tokens_or_images_cannot_be_compared() -> None:
    maps = random_maps(2, 1, 1, 5, 5, seed=0)
    with pytest.raises(UsageError, match="5 tokens and of 2 with 4"):
        agreement(maps, maps[..., :4, :4])
    with pytest.raises(UsageError, match="of 1 with 5"):
        agreement(maps, maps[:1])
