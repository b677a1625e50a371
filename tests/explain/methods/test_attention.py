from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facetrust.errors import UsageError
from facetrust.explain.methods.attention import attention


def random_maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def planted(grid: tuple[int, int], cell: tuple[int, int], *, prefix: int = 1) -> Tensor:
    """Returns (1, 2, 3, N, N): every token looks everywhere alike, the last layer's first one at a cell."""
    rows, columns = grid
    tokens = prefix + rows * columns
    maps = torch.full((1, 2, 3, tokens, tokens), 1 / tokens)
    maps[0, -1, :, 0] = 0
    maps[0, -1, :, 0, prefix + cell[0] * columns + cell[1]] = 1
    return maps


@pytest.mark.parametrize("prefix", [1, 2])
@pytest.mark.parametrize("cell", [(0, 0), (1, 4), (2, 1)])
def test_a_planted_patch_lights_up_on_a_grid_that_is_not_square(cell: tuple[int, int], prefix: int) -> None:
    images = torch.zeros(1, 3, 24, 40)
    found = attention(planted((3, 5), cell, prefix=prefix), images, grid=(3, 5))
    assert found.shape == (1, 24, 40)
    lit = found[0, cell[0] * 8 : cell[0] * 8 + 8, cell[1] * 8 : cell[1] * 8 + 8]
    assert lit.amax() == found.amax() > 0.85
    found[0, max(0, cell[0] * 8 - 8) : cell[0] * 8 + 16, max(0, cell[1] * 8 - 8) : cell[1] * 8 + 16] = 0
    assert not found.any()


def test_is_the_mean_over_heads_of_the_cls_row_over_its_largest_patch() -> None:
    maps = random_maps(2, 3, 4, 7, 7)
    images = torch.zeros(2, 3, 2, 3)  # A pixel a patch, so that nothing is blended.
    for layer in (0, 1, -1):
        found = attention(maps, images, layer=layer)
        for image in range(2):
            row = [sum(maps[image, layer, h, 0, 1 + p].item() for h in range(4)) / 4 for p in range(6)]
            assert found[image].flatten().tolist() == pytest.approx([v / max(row) for v in row], rel=1e-5)


def test_the_default_layer_is_the_last_and_cls_itself_is_left_out() -> None:
    maps = random_maps(1, 2, 2, 5, 5)
    images = torch.zeros(1, 3, 2, 2)
    assert torch.equal(attention(maps, images), attention(maps, images, layer=1))
    maps[..., 0, 0] = 100.0
    before = attention(maps, images)
    maps[..., 0, 0] = 0.0
    assert torch.equal(attention(maps, images), before)


def test_the_grid_follows_the_images_shape_and_is_asked_for_no_more() -> None:
    maps = random_maps(1, 1, 1, 13, 13)
    for size, grid in [((30, 40), (3, 4)), ((40, 30), (4, 3)), ((20, 60), (2, 6)), ((60, 20), (6, 2))]:
        images = torch.zeros(1, 3, *size)
        assert torch.equal(attention(maps, images), attention(maps, images, grid=grid))


def test_a_network_that_pools_its_patches_is_read_there() -> None:
    maps = random_maps(1, 1, 2, 4, 4)
    found = attention(maps, torch.zeros(1, 3, 2, 2), grid=(2, 2), readout="patches")
    drawn = [sum(maps[0, 0, h, q, k].item() for h in range(2) for q in range(4)) for k in range(4)]
    assert found.flatten().tolist() == pytest.approx([value / max(drawn) for value in drawn], rel=1e-5)


def test_a_cls_token_that_looks_at_itself_alone_gives_an_empty_map() -> None:
    maps = torch.eye(5).expand(1, 1, 1, 5, 5)
    assert not attention(maps, torch.zeros(1, 3, 8, 8)).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 2}, "layers 0 to 1"),
        ({"layer": -3}, "layers 0 to 1"),
        ({"grid": (3, 3)}, "3x3 patches do not fit 5 tokens"),
        ({"grid": (1, 5)}, "no CLS token"),
    ],
)
def test_what_does_not_fit_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        attention(random_maps(1, 2, 1, 5, 5), torch.zeros(1, 3, 8, 8), **settings)
