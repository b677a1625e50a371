"""The feature pyramid: its sizes, which maps it takes, and what its errors say."""

from __future__ import annotations

import pytest
import torch

from facetrust.errors import UnknownName, UsageError
from facetrust.models import create_model
from facetrust.models.fpn import Fpn

NAME = "fpn-tf_efficientnet_lite0"


def separable(width: int) -> int:
    """Parameters of a 3 x 3 convolution in two steps, with normalisation."""
    return 9 * width + width * width + 2 * width


@pytest.mark.parametrize(("width", "depth"), [(16, 1), (24, 2)])
def test_its_parameters_are_those_of_its_layers(width, depth):
    model = create_model(NAME, image_size=(64, 64), classes=5, block=4, width=width, depth=depth)
    backbone = sum(p.numel() for p in model.maps.backbone.parameters())
    assert model.maps.widths == [24, 40, 80]
    lateral = sum(width * (each + 2) for each in (24, 40, 80))
    pyramid = lateral + (80 + 1) * width + 3 * depth * separable(width) + (width + 1) * 5
    assert sum(p.numel() for p in model.parameters()) == backbone + pyramid


@pytest.mark.parametrize(
    ("settings", "most"),
    [({"block": 4, "width": 96, "depth": 2}, 500_000), ({"block": 5, "width": 128, "depth": 2}, 2_000_000)],
)
def test_the_students_are_light(settings, most):
    assert sum(p.numel() for p in create_model(NAME, **settings).parameters()) <= most


@pytest.mark.parametrize(("finest", "widths"), [(2, [16, 24, 40, 80]), (4, [24, 40, 80]), (16, [80])])
def test_the_finest_map_is_chosen(finest, widths):
    model = create_model(NAME, image_size=(64, 96), classes=3, block=4, width=8, finest=finest)
    assert model.maps.widths == widths
    assert model.eval()(torch.zeros(1, 3, 64, 96)).logits.shape == (1, 3, 64, 96)


def test_all_that_is_coarse_comes_from_the_coarsest_map():
    """Each step is computed by hand from the maps below it."""
    torch.manual_seed(0)
    model = create_model(NAME, image_size=(64, 64), classes=3, block=3, width=8, finest=8).eval()
    image = torch.randn(1, 3, 64, 64)
    (coarse,) = model.maps(image)
    assert isinstance(model, Fpn)
    seen = model.refine[0](model.lateral[0](coarse) + model.context(coarse.mean((2, 3), keepdim=True)))
    logits = torch.nn.functional.interpolate(model.head(seen), (64, 64), mode="bilinear")
    torch.testing.assert_close(model(image).logits, logits)


def test_wrong_settings_are_named():
    with pytest.raises(UnknownName, match="efficientnet"):
        create_model("fpn-eficientnet_lite0")
    with pytest.raises(UsageError, match="block 9"):
        create_model(NAME, block=9)
    with pytest.raises(UsageError, match="finest 64"):
        create_model(NAME, image_size=(64, 64), block=3, finest=64)
