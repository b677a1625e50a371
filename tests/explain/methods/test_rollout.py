from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facetrust.errors import UnknownName, UsageError
from facetrust.explain.methods.rollout import rolled_out, rollout


def random_maps(*shape: int, seed: int = 0) -> Tensor:
    return (2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).softmax(-1)


def slow(maps: Tensor, *, fusion: str, discard: float) -> list[list[float]]:
    """Returns the mixture (N, N) of one image's maps (L, H, N, N), entry by entry."""
    layers, heads, tokens, _ = maps.shape
    fuse = {"mean": lambda values: sum(values) / len(values), "max": max, "min": min}[fusion]
    mixed = [[float(i == j) for j in range(tokens)] for i in range(tokens)]
    for layer in range(layers):
        step = [
            [fuse([maps[layer, h, i, j].item() for h in range(heads)]) for j in range(tokens)]
            for i in range(tokens)
        ]
        places = sorted((step[i][j], i, j) for i in range(tokens) for j in range(tokens))
        for _, i, j in places[: int(discard * tokens * tokens)]:
            step[i][j] = 0.0
        for i in range(tokens):
            row = [(step[i][j] + float(i == j)) / 2 for j in range(tokens)]
            step[i] = [value / sum(row) for value in row]
        mixed = [
            [sum(step[i][k] * mixed[k][j] for k in range(tokens)) for j in range(tokens)]
            for i in range(tokens)
        ]
    return mixed


@pytest.mark.parametrize("discard", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
def test_agrees_with_the_slow_loop_and_rows_sum_to_one(fusion: str, discard: float) -> None:
    maps = random_maps(2, 3, 4, 7, 7)
    found = rolled_out(maps, fusion=fusion, discard=discard)
    assert torch.allclose(found.sum(-1), torch.ones(2, 7), atol=1e-5)
    for image in range(2):
        expected = torch.tensor(slow(maps[image], fusion=fusion, discard=discard))
        assert torch.allclose(found[image], expected, atol=1e-5)


def test_the_map_is_the_first_row_over_its_largest_patch() -> None:
    maps = random_maps(1, 2, 3, 7, 7)
    found = rollout(maps, torch.zeros(1, 3, 2, 3))  # A pixel a patch, so that nothing is blended.
    patches = slow(maps[0], fusion="mean", discard=0)[0][1:]
    assert found.flatten().tolist() == pytest.approx([value / max(patches) for value in patches], rel=1e-4)


@pytest.mark.parametrize("cell", [(0, 0), (1, 4), (2, 1)])
def test_a_patch_that_reaches_cls_by_way_of_another_lights_up(cell: tuple[int, int]) -> None:
    """In the first layer token 1 looks at the cell, in the second CLS looks at token 1 only."""
    maps = torch.eye(16).expand(1, 2, 3, 16, 16).clone()
    maps[0, 0, :, 1] = 0
    maps[0, 0, :, 1, 1 + cell[0] * 5 + cell[1]] = 1
    maps[0, 1, :, 0] = 0
    maps[0, 1, :, 0, 1] = 1
    found = rollout(maps, torch.zeros(1, 3, 3, 5), grid=(3, 5))[0]
    # Token 1 is half itself and half the cell, CLS is half itself and half token 1.
    expected = torch.zeros(3, 5)
    expected[0, 0] += 0.25
    expected[cell] += 0.25
    assert torch.allclose(found, expected / expected.max())


def test_a_single_layer_keeps_the_order_of_its_attention() -> None:
    maps = random_maps(1, 1, 1, 5, 5)
    found = rollout(maps, torch.zeros(1, 3, 2, 2)).flatten()
    assert torch.equal(found.argsort(), maps[0, 0, 0, 0, 1:].argsort())


def test_discarding_almost_everything_leaves_the_strongest() -> None:
    maps = random_maps(1, 1, 1, 10, 10)
    found = rolled_out(maps, discard=0.99)[0]
    row, column = divmod(int(maps.argmax()), 10)
    assert row != column
    assert (found != torch.eye(10)).nonzero().tolist() == sorted([[row, row], [row, column]])


def test_what_does_not_fit_is_said() -> None:
    maps, images = random_maps(1, 2, 1, 5, 5), torch.zeros(1, 3, 8, 8)
    with pytest.raises(UnknownName, match="did you mean 'mean'"):
        rollout(maps, images, fusion="men")
    with pytest.raises(UsageError, match=r"discard 1\.0"):
        rollout(maps, images, discard=1.0)
    with pytest.raises(UsageError, match="4x4 patches do not fit"):
        rollout(maps, images, grid=(4, 4))
