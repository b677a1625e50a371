from __future__ import annotations

import sys

import pytest
import torch

from facetrust.errors import MissingExtra, UsageError
from facetrust.explain.methods.gradcam import gradcam
from facetrust.models import create_model


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(MissingExtra, match=r"facetrust\[explain\]"):
        gradcam(create_model("timm/test_vit", image_size=(32, 32)), torch.zeros(1, 3, 32, 32))


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")

    def model(self) -> torch.nn.Module:
        """Returns a network whose features are coarse colour planes and whose logit is red minus green."""
        model = create_model("timm/mobilenetv3_small_050", image_size=(32, 32), stage=2)
        model.features = torch.nn.AvgPool2d(8)
        model.head = torch.nn.Conv2d(3, 1, 1)
        model.head.weight.data = torch.tensor([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1)
        return model

    def test_a_planted_patch_lights_up_where_it_lies(self) -> None:
        images = torch.zeros(1, 3, 64, 64)
        images[0, 0, 8:16, 40:48] = 1
        images[0, 1, 40:48, 8:16] = 1
        found = gradcam(self.model(), images)
        assert found.shape == (1, 64, 64)
        assert found.min() >= 0
        assert found.max() <= 1
        assert found[0, 8:16, 40:48].mean() > 0.5
        assert found[0, 40:48, 8:16].max() < 1e-3

    def test_the_model_is_left_as_it_was(self) -> None:
        model = self.model().train()
        model.head.bias.requires_grad_(False)
        gradcam(model, torch.rand(2, 3, 32, 32))
        assert model.training
        assert [p.requires_grad for p in model.parameters()] == [True, False]
        assert all(p.grad is None for p in model.parameters())

    def test_an_unknown_layer_is_named(self) -> None:
        with pytest.raises(UsageError, match="no module 'body'; its own are features, dropout, head"):
            gradcam(self.model(), torch.rand(1, 3, 32, 32), layer="body")
