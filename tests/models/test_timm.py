from __future__ import annotations

import pytest
import torch

from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.models import create_model, look_inside

# Name, settings, parameters, cells of the evidence at 128 x 128 pixels.
CASES = [
    ("timm/mobilenetv3_small_100", {}, 927_585, (4, 4)),
    ("timm/mobilenetv3_small_100", {"stage": 3}, 190_569, (8, 8)),
    ("timm/mobilenetv4_conv_small_050", {"stage": -2}, 87_617, (8, 8)),
    ("timm/resnet18", {"stage": 3}, 2_783_041, (8, 8)),
    ("timm/test_vit", {}, 304_001, (8, 8)),
    ("timm/vit_tiny_patch16_224", {"stage": 3}, 1_940_353, (8, 8)),
    ("timm/efficientvit_b0", {"stage": 2}, None, (8, 8)),
]


@pytest.mark.parametrize(("name", "settings", "parameters", "cells"), CASES)
def test_size_map_and_gradient_to_every_parameter(
    name: str, settings: dict[str, int], parameters: int | None, cells: tuple[int, int]
) -> None:
    model = create_model(name, image_size=(128, 128), **settings)
    found = model(torch.rand(2, 3, 128, 128))
    assert found.evidence.shape == (2, *cells)
    assert torch.equal(found.evidence.mean((1, 2)), found.logit)
    found.logit.sum().backward()
    assert [key for key, value in model.named_parameters() if value.grad is None] == []
    if parameters:
        assert sum(value.numel() for value in model.parameters()) == parameters


def test_logit_is_that_of_pooling_and_a_linear_layer() -> None:
    torch.manual_seed(0)
    model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64)).eval()
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        pooled = model.features(images).mean((2, 3))
        expected = pooled @ model.head.weight.flatten() + model.head.bias
        assert torch.allclose(model(images).logit, expected, atol=1e-6)


def test_evidence_of_a_vit_is_the_classifier_on_its_patch_tokens() -> None:
    torch.manual_seed(0)
    model = create_model("timm/test_vit", image_size=(64, 48)).eval()
    images = torch.rand(1, 3, 64, 48)
    with torch.no_grad():
        tokens = model.features.backbone.forward_features(images)[0, 1:]
        expected = (tokens @ model.head.weight.flatten() + model.head.bias).reshape(4, 3)
        assert torch.allclose(model(images).evidence[0], expected, atol=1e-6)
    assert "patch token" in model.evidence_means


@pytest.mark.parametrize("name", ["timm/mobilenetv3_small_050", "timm/test_vit"])
def test_an_embedding_projects_every_cell_and_compares_the_mean(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, image_size=(64, 64), embedding=24).eval()
    images = torch.rand(3, 3, 64, 64)
    inside = look_inside(model, images)
    with torch.no_grad():
        pooled = model.features(images).mean((2, 3))
        expected = pooled @ model.project.weight.flatten(1).T + model.project.bias
        torch.testing.assert_close(inside.embedding, expected, atol=1e-5, rtol=1e-4)
        spoof, live = (torch.cosine_similarity(expected, row[None]) for row in model.class_embeddings())
        torch.testing.assert_close(inside.output.logit, (spoof - live) / 0.07, atol=1e-4, rtol=1e-4)
    assert "adds to the logit" in model.evidence_means


def test_classes_are_taken_only_where_there_are_some() -> None:
    model = create_model("timm/test_vit", image_size=(32, 32), embedding=8)
    model.take_classes(torch.eye(2, 8))
    assert torch.equal(model.class_embeddings(), torch.eye(2, 8))
    with pytest.raises(UsageError, match="no class embeddings; set embedding"):
        create_model("timm/test_vit", image_size=(32, 32)).take_classes(torch.eye(2, 8))


def test_dropout_takes_whole_channels_in_training_only() -> None:
    torch.manual_seed(0)
    model = create_model("timm/test_vit", image_size=(32, 32), dropout=0.5)
    model.features.eval()
    images = torch.rand(1, 3, 32, 32)
    assert not torch.equal(model(images).logit, model(images).logit)
    model.eval()
    assert torch.equal(model(images).logit, model(images).logit)


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("timm/mobilenetv3_smal_100", {}, UnknownName, "did you mean 'mobilenetv3_small_100'"),
        ("timm/resnet18", {"stage": 9}, UsageError, "ResNet has stages 0 to 4"),
        ("timm/resnet18", {"stages": 3}, UsageError, "stages.*it takes"),
        ("timm/levit_128s", {}, UsageError, "no spatial map"),
        ("timm/resnet18", {"pretrained": True}, ModelError, "pretrained"),
        ("mobilenet", {}, UnknownName, "no model named 'mobilenet'"),
    ],
)
def test_what_cannot_be_built_says_why(
    name: str,
    settings: dict[str, object],
    error: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("timm.models._builder.load_pretrained", _unreachable)
    with pytest.raises(error, match=message):
        create_model(name, image_size=(64, 64), **settings)


def _unreachable(*args: object, **settings: object) -> None:
    raise OSError("the hub cannot be reached")
