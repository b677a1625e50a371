from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.explain.methods.cam import cam
from facetrust.models import Score, create_model


class Red(nn.Module):
    """Its evidence is the redness of each 8 x 8 patch, less one half."""

    def forward(self, images: Tensor) -> Score:
        evidence = nn.functional.avg_pool2d(images[:, :1], 8)[:, 0] - 0.5
        return Score(evidence.mean((1, 2)), evidence)


def planted(row: int, column: int) -> Tensor:
    images = torch.zeros(2, 3, 64, 56)
    images[1, 0, row : row + 8, column : column + 8] = 1
    return images


@pytest.mark.parametrize(("row", "column"), [(0, 0), (8, 40), (56, 16)])
def test_a_planted_patch_lights_up_where_it_lies(row: int, column: int) -> None:
    found = cam(Red(), planted(row, column))
    assert found.shape == (2, 64, 56)
    assert torch.all(found[0] == -0.5)
    inside = found[1, row : row + 8, column : column + 8]
    assert inside.mean() > 0
    outside = found[1].clone()
    outside[max(0, row - 8) : row + 16, max(0, column - 8) : column + 16] = -0.5
    assert torch.all(outside == -0.5)
    peak = divmod(int(found[1].argmax()), 56)
    assert row <= peak[0] < row + 8
    assert column <= peak[1] < column + 8


def between(cells: Tensor, place: float, size: int) -> tuple[int, int, float]:
    """Returns the two cells around a pixel along one axis and how far it lies towards the second."""
    at = min(max((place + 0.5) * len(cells) / size - 0.5, 0.0), len(cells) - 1.0)
    return int(at), min(int(at) + 1, len(cells) - 1), at - int(at)


def test_places_between_cells_are_blended_linearly() -> None:
    torch.manual_seed(0)
    model = create_model("timm/test_vit", image_size=(112, 128)).eval()
    images = torch.rand(1, 3, 112, 128)
    found = cam(model, images)[0]
    evidence = model(images).evidence[0].detach()
    for row, column in [(0, 0), (7, 8), (23, 31), (24, 40), (111, 127)]:
        top, bottom, down = between(evidence, row, 112)
        left, right, along = between(evidence.T, column, 128)
        upper = (1 - along) * evidence[top, left] + along * evidence[top, right]
        lower = (1 - along) * evidence[bottom, left] + along * evidence[bottom, right]
        expected = ((1 - down) * upper + down * lower).item()
        assert found[row, column].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64), stage=2, dropout=0.5).train(
        training
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = cam(model, torch.ones(1, 3, 64, 64))
    assert torch.equal(first, cam(model, torch.ones(1, 3, 64, 64)))
    assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not first.requires_grad


def test_a_map_of_few_cells_is_refused_in_a_line() -> None:
    with pytest.raises(UsageError, match="cam: the last map has 1x1 cells; to say where, a map needs 7x7"):
        cam(Red(), torch.zeros(1, 3, 8, 8))
