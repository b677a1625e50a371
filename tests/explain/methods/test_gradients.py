"""Grad-CAM and Grad-CAM++ beside their formulas, on every kind of layer that is chosen."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.nn import functional

from facetrust.errors import MissingExtra, UsageError
from facetrust.explain.methods._gradients import layer_of
from facetrust.explain.methods.gradcam import gradcam
from facetrust.explain.methods.gradcam_plus_plus import gradcam_plus_plus
from facetrust.models import create_model


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(MissingExtra, match=r"facetrust\[explain\]"):
        gradcam(create_model("timm/test_vit", image_size=(32, 32)), torch.zeros(1, 3, 32, 32))


def named(model: torch.nn.Module, size: tuple[int, int]) -> str:
    """Returns the name of the layer that is chosen."""
    chosen = layer_of(model.eval(), torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)))
    return next(name for name, part in model.named_modules() if part is chosen.module)


@pytest.mark.parametrize(
    ("name", "settings", "size", "layer"),
    [
        # The last map of stride 32 has 7 x 7 cells, or an earlier one has.
        ("timm/mobilenetv3_small_050", {}, (224, 224), "features"),
        ("timm/mobilenetv3_small_050", {}, (128, 128), "features.backbone.blocks.3"),
        ("timm/mobilenetv3_small_050", {}, (32, 32), "features.backbone.blocks.0"),
        ("residual-tf_efficientnet_lite0", {"block": 4}, (128, 128), "network.features"),
        # Pooled patch tokens; and a class token, which patches reach by the last block's attention alone.
        ("timm/test_vit", {}, (112, 112), "features"),
        ("clip-vit-t16", {"layers": 2}, (112, 112), "visual.transformer.resblocks.1.ln_1"),
        ("flip-v", {"clip": "vit-t16", "layers": 1}, (112, 112), "backbone.vit.transformer.resblocks.0.ln_1"),
    ],
)
def test_the_last_layer_of_seven_by_seven_cells_is_chosen(name, settings, size, layer) -> None:
    torch.manual_seed(0)
    assert named(create_model(name, image_size=size, **settings), size) == layer


def test_a_network_of_few_cells_is_refused_in_a_line() -> None:
    torch.manual_seed(0)
    model = create_model("timm/test_vit", image_size=(64, 64)).eval()
    with pytest.raises(
        UsageError, match="no layer of this network gives a map of 7x7 cells for inputs of 64x64"
    ):
        layer_of(model, torch.randn(1, 3, 64, 64))
    model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64)).eval()
    with pytest.raises(UsageError, match="layer: 'features' has 2x2 cells; to say where, a map needs 7x7"):
        layer_of(model, torch.randn(1, 3, 64, 64), "features")
    with pytest.raises(UsageError, match="gives no map"):
        layer_of(model, torch.randn(1, 3, 64, 64), "features.backbone")
    with pytest.raises(UsageError, match="no module 'body'; its own are features, dropout, head"):
        layer_of(model, torch.randn(1, 3, 64, 64), "body")


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")

    def model(self) -> torch.nn.Module:
        """Returns a network whose features are coarse colour planes and whose logit is red minus green."""
        model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64), stage=2)
        model.features = torch.nn.AvgPool2d(8)
        model.head = torch.nn.Conv2d(3, 1, 1)
        model.head.weight.data = torch.tensor([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1)
        return model

    @pytest.mark.parametrize("method", [gradcam, gradcam_plus_plus])
    def test_what_speaks_for_and_against_lights_up_where_it_lies(self, method) -> None:
        images = torch.zeros(1, 3, 64, 64)
        images[0, 0, 8:16, 40:48] = 1
        images[0, 1, 40:48, 8:16] = 1
        red, green = (slice(8, 16), slice(40, 48)), (slice(40, 48), slice(8, 16))
        for against, lit, dark in ((False, red, green), (True, green, red)):
            found = method(self.model(), images, against=against)
            assert found.shape == (1, 64, 64)
            assert found.min() >= 0
            assert found.max() <= 1
            assert found[0][lit].mean() > 0.5
            assert found[0][dark].max() < 1e-3

    @pytest.mark.parametrize("against", [False, True])
    def test_they_are_their_formulas(self, against) -> None:
        """On patch tokens of the last block's first norm, laid out without the class token."""
        torch.manual_seed(0)
        model = create_model("clip-vit-t16", image_size=(112, 112), layers=2).eval()
        images = torch.randn(2, 3, 112, 112)
        kept = []
        hook = model.visual.transformer.resblocks[1].ln_1.register_forward_hook(
            lambda m, a, out: kept.append(out)
        )
        sign = -1 if against else 1
        answer = model(images).logit
        hook.remove()
        grads = [
            torch.autograd.grad(sign * answer.sum(), out, retain_graph=True, allow_unused=True)[0]
            for out in kept
        ]
        tokens, slopes = next((a, g) for a, g in zip(kept, grads, strict=True) if g is not None)
        maps, slopes = (each[:, 1:].mT.reshape(2, -1, 7, 7).detach() for each in (tokens, slopes))
        plain = slopes.mean((2, 3), keepdim=True)
        alpha = slopes**2 / (2 * slopes**2 + maps.sum((2, 3), keepdim=True) * slopes**3 + 1e-6)
        plus = (alpha * slopes.relu()).sum((2, 3), keepdim=True)
        for method, weights in ((gradcam, plain), (gradcam_plus_plus, plus)):
            heat = (weights * maps).sum(1).relu()
            heat = functional.interpolate(heat[:, None], (112, 112), mode="bilinear")[:, 0]
            heat = heat - heat.amin((1, 2), keepdim=True)
            heat = heat / heat.amax((1, 2), keepdim=True)
            found = method(model, images, against=against)
            assert torch.allclose(found, heat, atol=1e-4)

    def test_the_model_is_left_as_it_was(self) -> None:
        model = self.model().train()
        model.head.bias.requires_grad_(False)
        gradcam(model, torch.rand(2, 3, 64, 64))
        assert model.training
        assert [p.requires_grad for p in model.parameters()] == [True, False]
        assert all(p.grad is None for p in model.parameters())
