"""A network looks at crops; which tokens its answer is read from is found, not assumed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.errors import UnknownName, UsageError
from facetrust.explain.attribution import attribute, by_attention, crops_of
from facetrust.explain.methods.attention import attention
from facetrust.explain.methods.cam import cam
from facetrust.explain.methods.rollout import rollout
from facetrust.imaging import crop_face, to_tensor
from facetrust.models import attention_of, create_model, look_inside
from facetrust.records import Preprocessing

SIZE = (32, 64)


@pytest.mark.parametrize(
    ("name", "settings", "readout"),
    [
        ("clip-vit-t16", {"layers": 2}, "cls"),
        ("clip-vit-t16", {"layers": 2, "pool": "mean"}, "patches"),
        ("flip-v", {"clip": "vit-t16", "layers": 1}, "cls"),
        ("timm/test_vit", {}, "patches"),
    ],
)
def test_attention_is_read_where_the_answer_is(name, settings, readout):
    torch.manual_seed(0)
    model = create_model(name, image_size=SIZE, **settings).eval()
    images = torch.randn(2, 3, *SIZE)
    found = attribute(model, images, method="attention")
    with torch.no_grad():
        maps = attention_of(look_inside(model, images))
    assert torch.allclose(found.maps, maps, atol=1e-6)
    other = {"cls": "patches", "patches": "cls"}[readout]
    grid = (2, 4)
    expected, wrong = (attention(maps, images, grid=grid, readout=each).numpy() for each in (readout, other))
    assert np.allclose(found.heat, expected, atol=1e-5)
    assert not np.allclose(found.heat, wrong, atol=1e-2)


def test_an_embedding_of_the_class_token_is_explained_by_where_it_looks():
    torch.manual_seed(0)
    small = {"width": 64, "depth": 2, "heads": 2, "hidden": 32}
    model = create_model("face-transformer-p12s8", image_size=SIZE, **small).eval()
    images = torch.randn(2, 3, *SIZE)
    maps = attention_of(look_inside(model, images)).detach()
    for method in (attention, rollout):
        found = attribute(model, images, method=method.__name__)
        assert np.allclose(found.heat, method(maps, images, grid=(4, 8)).numpy(), atol=1e-5)


def test_other_explanations_are_given_the_network():
    model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64), stage=2).eval()
    images = torch.randn(2, 3, 64, 64)
    found = attribute(model, images, method="cam")
    assert np.array_equal(found.heat, cam(model, images).numpy())
    assert found.maps is None
    with pytest.raises(UsageError, match="no attention that can be seen"):
        attribute(model, images, method="attention")


def test_which_are_made_from_attention():
    assert {name: by_attention(name) for name in ("attention", "cam", "rollout")} == {
        "attention": True,
        "cam": False,
        "rollout": True,
    }
    with pytest.raises(UnknownName, match="did you mean 'rollout'"):
        by_attention("rollot")


def test_crops_are_every_face_at_every_margin():
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    boxes = [(10.0, 10.0, 30.0, 30.0), (40.0, 20.0, 20.0, 30.0)]
    how = Preprocessing(size=(16, 16), margins=(1.0, 2.0))
    found = crops_of(image, boxes, how)
    assert found.shape == (2, 2, 3, 16, 16)
    for face, box in enumerate(boxes):
        for number, margin in enumerate(how.margins):
            expected = to_tensor(crop_face(image, box, how, margin=margin), how)
            assert np.array_equal(found[face, number].numpy(), expected)
