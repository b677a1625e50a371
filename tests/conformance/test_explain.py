"""Every explanation: a map per image at the image's size, and the model left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from facetrust import registry
from facetrust.errors import MissingExtra
from facetrust.models import Output, create_model

NAMES = registry.names("explain")


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

    def forward(self, images: Tensor) -> Output:
        evidence = self.head(self.features(images))[:, 0]
        return Output(evidence.mean((1, 2)), evidence)


def explained(name: str, model: nn.Module, images: Tensor) -> Tensor:
    try:
        return registry.build("explain", name, model, images)
    except MissingExtra as error:
        pytest.skip(str(error))


def test_all_were_seen():
    assert "cam" in NAMES


@pytest.mark.parametrize("name", NAMES)
class TestEveryExplanation:
    def test_gives_a_finite_map_per_image_at_its_size(self, name):
        torch.manual_seed(0)
        model = create_model("timm/mobilenetv3_small_050", image_size=(64, 48)).eval()
        found = explained(name, model, torch.randn(3, 3, 64, 48))
        assert found.shape == (3, 64, 48)
        assert found.dtype == torch.float32
        assert torch.isfinite(found).all()
        assert not found.requires_grad

    def test_lights_up_where_a_patch_was_planted(self, name):
        images = torch.zeros(2, 3, 64, 64)
        images[0, 0, 8:16, 40:48] = 1
        images[1, 0, 48:56, 16:24] = 1
        found = explained(name, Cells(), images)
        for number, (row, column) in enumerate([(8, 40), (48, 16)]):
            at = divmod(int(found[number].argmax()), 64)
            assert row - 4 <= at[0] < row + 12
            assert column - 4 <= at[1] < column + 12

    @pytest.mark.parametrize("training", [True, False])
    def test_leaves_the_model_as_it_was(self, name, training):
        model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64)).train(training)
        model.head.weight.requires_grad_(requires_grad=False) if hasattr(model, "head") else None
        before = {key: value.clone() for key, value in model.state_dict().items()}
        wanted = [parameter.requires_grad for parameter in model.parameters()]
        explained(name, model, torch.randn(2, 3, 64, 64))
        assert model.training is training
        assert [parameter.requires_grad for parameter in model.parameters()] == wanted
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert not [part for part in model.modules() if part._forward_hooks or part._backward_hooks]
