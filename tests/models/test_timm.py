from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.models import create_model, look_inside

# isort: split
import timm

# Name, settings, parameters, cells of the evidence at 128 x 128 pixels.
CASES = [
    ("timm/mobilenetv3_small_100", {}, 927_585, (4, 4)),
    ("timm/mobilenetv3_small_100", {"stage": 3}, 190_569, (8, 8)),
    ("timm/mobilenetv4_conv_small_050", {"stage": -2}, 87_617, (8, 8)),
    ("timm/efficientnet_lite0", {"block": 4}, 254_065, (8, 8)),
    ("timm/mobilenetv3_small_100", {"block": 4}, None, (8, 8)),
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


SMALL_VIT = {"patch_size": 2, "embed_dim": 128, "depth": 13, "num_heads": 8, "mlp_ratio": 2}
NO_TOKEN = {"class_token": False, "global_pool": "avg", "fc_norm": False}


def test_a_layout_of_ones_own() -> None:
    """The tiles' transformer: 1,664 of patches, 32,768 of places, 13 blocks of 132,480, a norm, a logit."""
    layout = SMALL_VIT | NO_TOKEN
    model = create_model("timm/vit_tiny_patch16_224", image_size=(32, 32), layout=layout)
    assert sum(value.numel() for value in model.parameters()) == 1664 + 32_768 + 13 * 132_480 + 256 + 129
    assert model(torch.rand(2, 3, 32, 32)).evidence.shape == (2, 16, 16)
    with pytest.raises(ModelError, match=r"cannot be built .*heads_of"):
        create_model("timm/vit_tiny_patch16_224", image_size=(32, 32), layout={"heads_of": 8})


def test_a_cut_behind_a_block_is_that_block_s_answer() -> None:
    torch.manual_seed(0)
    model = create_model("timm/efficientnet_lite0", image_size=(64, 64), block=4).eval()
    whole = timm.create_model("efficientnet_lite0").eval()
    whole.load_state_dict(model.features.backbone.state_dict(), strict=False)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = whole.blocks[:4](whole.bn1(whole.conv_stem(images)))
        assert torch.equal(model.features(images), expected)


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
        ("timm/resnet18", {"block": 3}, UsageError, "block: timm cannot cut ResNet there; set stage"),
        ("timm/efficientnet_lite0", {"block": 8}, UsageError, "block 8: EfficientNet has blocks 1 to 7"),
        ("timm/efficientnet_lite0", {"block": 0}, UsageError, "block 0: EfficientNet has blocks 1 to 7"),
        ("timm/efficientnet_lite0", {"block": 4, "stage": 3}, UsageError, "stage 3 and block 4: give one"),
        ("timm/dla34", {"block": 3}, UsageError, "block: timm cannot cut DLA there"),
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


LITE = "timm/efficientnet_lite0"


@pytest.mark.parametrize("named", ["timm", "efficientnet_pytorch"])
def test_weights_come_from_a_file_in_either_naming(named: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = timm.create_model("efficientnet_lite0", num_classes=10)
    kept = {key: torch.rand_like(value) if value.is_floating_point() else value + 3
            for key, value in whole.state_dict().items()}  # fmt: skip
    names = {key: key if named == "timm" else _theirs(key) for key in kept}
    file = tmp_path / "weights.pth"
    torch.save({names[key]: value for key, value in kept.items()}, file)
    model = create_model(LITE, image_size=(64, 64), stage=3, pretrained=str(file))
    held = model.features.backbone.state_dict()
    assert len(held) > 100
    assert all(torch.equal(value, kept[key]) for key, value in held.items())


def _theirs(key: str) -> str:
    """efficientnet_pytorch's name of a tensor of Lite0; its blocks are numbered through."""
    outside = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    later = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    later |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
    if not key.startswith("blocks."):
        part, _, rest = key.partition(".")
        return f"{outside.get(part, '_fc')}.{rest}"
    _, stage, block, part, rest = key.split(".", 4)
    number = sum((1, 2, 2, 3, 3, 4, 1)[: int(stage)]) + int(block)
    return f"_blocks.{number}.{(later if int(stage) else first)[part]}.{rest}"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({"conv_stem.weight": torch.zeros(32, 3, 3, 3)}, file)
    with pytest.raises(
        ModelError, match=r"weights.safetensors: is not a timm/efficientnet_lite0; tensors: \d+ missing"
    ):
        create_model(LITE, image_size=(64, 64), pretrained=str(file))
    with pytest.raises(ModelError, match=r"none.pth: no such weight file"):
        create_model(LITE, image_size=(64, 64), pretrained=str(tmp_path / "none.pth"))


def _unreachable(*args: object, **settings: object) -> None:
    raise OSError("the hub cannot be reached")


def test_a_frozen_front_keeps_its_weights_and_its_statistics() -> None:
    torch.manual_seed(0)
    model = create_model("timm/efficientnet_lite0", image_size=(64, 64), block=4, freeze=2)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)
    model(torch.rand(4, 3, 64, 64)).logit.sum().backward()
    steps.step()
    moved = {
        name
        for name, value in model.state_dict().items()
        if "num_batches" not in name and not torch.equal(value, before[name])
    }
    front = ("conv_stem", "bn1", "blocks.0", "blocks.1")
    names = {name.removeprefix("features.backbone.") for name in moved}
    assert names
    assert not [name for name in names if name.startswith(front)]
    assert {name.split(".")[1] for name in names if name.startswith("blocks")} == {"2", "3"}
    assert set(before) == set(create_model("timm/efficientnet_lite0", block=4).state_dict())


@pytest.mark.parametrize(
    ("name", "freeze", "message"),
    [
        ("timm/efficientnet_lite0", 9, "groups of blocks 1 to 7"),
        ("timm/resnet18", 1, "has no stem and groups"),
    ],
)
def test_what_cannot_be_frozen_says_why(name: str, freeze: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_model(name, image_size=(64, 64), freeze=freeze)
