"""Every explanation: a map per image at the image's size, and the model left as it was."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor, nn

from facetrust import registry
from facetrust.errors import MissingExtra, UsageError
from facetrust.models import Score, attention_of, create_model, look_inside

NAMES = [name for name in registry.names("explain.methods") if name != "evidence"]
NETWORKS = {"timm/mobilenetv3_small_050": {"stage": 2}, "timm/test_vit": {}}
SIZE = (128, 112)  # 8 x 7 cells of a stride of 16.


class Cells(nn.Module):
    """Takes red for an attack: a convolution over 8 x 8 patches, whose outputs are the evidence."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 8, 8, bias=False)
        self.head = nn.Conv2d(4, 1, 1)
        with torch.no_grad():
            self.features.weight.zero_()
            self.features.weight[0, 0] = 1 / 64
            self.head.weight.fill_(1.0)
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Score:
        evidence = self.head(self.features(images))[:, 0]
        return Score(evidence.mean((1, 2)), evidence)


def takes(name: str) -> str:
    """Returns what an explanation is given with the images: `model`, `maps`, or an `exported` model."""
    return next(iter(inspect.signature(registry.find("explain.methods", name)).parameters))


def explained(name: str, model: nn.Module, images: Tensor) -> Tensor:
    try:
        given = attention_of(look_inside(model, images)) if takes(name) == "maps" else model
    except UsageError as error:
        pytest.skip(str(error))
    return by(name, given, images)


def by(name: str, given: nn.Module | Tensor, images: Tensor) -> Tensor:
    try:
        return registry.build("explain.methods", name, given, images)
    except MissingExtra as error:
        pytest.skip(str(error))


def looking_at(cells: list[int]) -> Tensor:
    """Returns maps (B, 2, 1, 65, 65) whose tokens look at themselves, the first one at a cell of 8 x 8."""
    maps = torch.eye(65).repeat(len(cells), 2, 1, 1, 1)
    for number, cell in enumerate(cells):
        maps[number, -1, 0, 0] = torch.eye(65)[1 + cell]
    return maps


def test_all_were_seen():
    wanted = {"attention", "cam", "gradcam", "gradcam-plus-plus", "rollout", "spatial-attention"}
    assert wanted <= set(NAMES)
    assert takes("evidence") == "exported"


def test_what_an_explanation_is_given_is_named():
    assert {name: takes(name) for name in NAMES if takes(name) not in ("model", "maps")} == {}


def test_a_network_without_attention_is_said_to_have_none():
    with pytest.raises(UsageError, match="no attention"):
        attention_of(
            look_inside(
                create_model("timm/mobilenetv3_small_050", image_size=SIZE).eval(), torch.zeros(1, 3, *SIZE)
            )
        )


@pytest.mark.parametrize("name", NAMES)
class TestEveryExplanation:
    @pytest.mark.parametrize("network", NETWORKS)
    def test_gives_a_finite_map_per_image_at_its_size(self, name, network):
        torch.manual_seed(0)
        model = create_model(network, image_size=SIZE, **NETWORKS[network]).eval()
        found = explained(name, model, torch.randn(3, 3, *SIZE))
        assert found.shape == (3, *SIZE)
        assert found.dtype == torch.float32
        assert torch.isfinite(found).all()
        assert not found.requires_grad

    def test_lights_up_where_a_patch_was_planted(self, name):
        images = torch.zeros(2, 3, 64, 64)
        images[0, 0, 8:16, 40:48] = 1
        images[1, 0, 48:56, 16:24] = 1
        given = looking_at([8 + 5, 48 + 2]) if takes(name) == "maps" else Cells()
        found = by(name, given, images)
        for number, (row, column) in enumerate([(8, 40), (48, 16)]):
            at = divmod(int(found[number].argmax()), 64)
            assert row - 4 <= at[0] < row + 12
            assert column - 4 <= at[1] < column + 12

    @pytest.mark.parametrize("network", NETWORKS)
    @pytest.mark.parametrize("training", [True, False])
    def test_leaves_the_model_as_it_was(self, name, training, network):
        model = create_model(network, image_size=SIZE, **NETWORKS[network]).train(training)
        model.head.weight.requires_grad_(requires_grad=False) if hasattr(model, "head") else None
        before = {key: value.clone() for key, value in model.state_dict().items()}
        wanted = [parameter.requires_grad for parameter in model.parameters()]
        explained(name, model, torch.randn(2, 3, *SIZE))
        assert model.training is training
        assert [parameter.requires_grad for parameter in model.parameters()] == wanted
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert not [part for part in model.modules() if part._forward_hooks or part._backward_hooks]
