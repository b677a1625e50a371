"""The networks for aligned faces: parameters counted, one golden answer each, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from facetrust.errors import UnknownName, UsageError
from facetrust.models import attention_of, create_model, look_inside
from facetrust.models.sface import sface

COUNTS = {
    "edgeface-xxs": 1_244_744,
    "edgeface-base": 18_225_812,
    "face-resnet": 11_445_440,
    "face-transformer-p8s8": 63_218_176,
    "face-transformer-p10s8": 63_273_472,
    "face-transformer-p12s8": 63_341_056,
    "iresnet-18": 24_025_600,
    "iresnet-34": 34_139_328,
    "iresnet-50": 43_590_848,
    "iresnet-100": 65_156_160,
    "mobilefacenet-s": 521_376,
    "mobilefacenet-m": 1_003_136,
    "mobilefacenet-l": 2_100_928,
    "sface": 9_640_576,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters(name):
    with torch.device("meta"):
        model = create_model(name, image_size=(112, 112))
    assert sum(parameter.numel() for parameter in model.parameters()) == COUNTS[name]


@pytest.mark.parametrize(("name", "rank", "count"), [("xs", 0.6, 1_770_492), ("s", 0.5, 3_652_520)])
def test_parameters_of_low_rank(name, rank, count):
    with torch.device("meta"):
        model = create_model(f"edgeface-{name}", rank=rank)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_the_counts_of_face_transformer_by_arithmetic():
    for name, side in (("p8s8", 8), ("p10s8", 10), ("p12s8", 12)):
        patches = 3 * side * side * 512 + 512
        attention = 512 * 3 * 512 + (512 * 512 + 512) + 2 * 512
        feed = 512 * 2048 + 2048 + 2048 * 512 + 512 + 2 * 512
        whole = patches + 197 * 512 + 512 + 20 * (attention + feed) + 2 * 512
        assert COUNTS[f"face-transformer-{name}"] == whole


def test_the_count_of_the_small_resnet_by_arithmetic():
    whole, width = 3 * 64 * 49 + 2 * 64, 64
    for out in (64, 128, 256, 512):
        whole += 9 * width * out + 9 * out * out + 4 * out + width * out + 2 * out
        whole += 2 * 9 * out * out + 4 * out
        width = out
    assert COUNTS["face-resnet"] == whole + 2 * 512 + 512 * 512 + 512 + 2 * 512


def constant(model: nn.Module) -> nn.Module:
    """Sets every parameter to a known value that depends on its place alone, and the statistics too."""
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point():
                wave = torch.arange(value.numel(), dtype=torch.float64).mul(0.7).sin().reshape(value.shape)
                scale = 1 / math.sqrt(max(1, value[0].numel())) if value.ndim > 1 else 0.1
                value.copy_(wave * scale + (1 if value.ndim < 2 else 0))
    return model.eval()


GOLDEN = {
    "face-resnet": [0.06187, 0.06469, 0.06225, 0.05436],
    "face-transformer-p10s8": [0.17214, 0.17144, -0.01509, 0.05469],
    "iresnet-18": [0.03786, 0.02643, 0.03158, 0.04938],
    "mobilefacenet-s": [-0.12433, -0.02797, 0.10904, 0.05445],
    "sface": [0.11451, 0.11163, 0.07225, 0.06239],
}
SMALL = {
    "face-transformer-p10s8": {"width": 64, "depth": 2, "heads": 2, "hidden": 32},
    "sface": {"widths": [8] * 14, "squeeze": 4},
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_answers(name):
    model = constant(create_model(name, image_size=(32, 32), **SMALL.get(name, {})))
    images = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32).sin()
    with torch.no_grad():
        found = functional.normalize(model(images).embedding)[0, :4].tolist()
    assert found == pytest.approx(GOLDEN[name], abs=2e-4)


def test_face_transformer_attends_by_the_scale_that_it_was_given():
    settings = {"image_size": (32, 32), "width": 64, "depth": 1, "heads": 2, "hidden": 32}
    torch.manual_seed(0)
    model = create_model("face-transformer-p8s8", **settings).eval()
    images = torch.randn(2, 3, 32, 32)
    maps = attention_of(look_inside(model, images))
    assert maps.shape == (2, 1, 2, 17, 17)
    cut = images.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    tokens = torch.cat([model.cls_token.expand(2, 1, -1), model.patch_to_embedding(cut)], 1)
    normed = model.blocks[0].attn.norm(tokens + model.pos_embedding)
    query = model.blocks[0].attn.to_q(normed).reshape(2, 17, 2, 64).transpose(1, 2)
    key = model.blocks[0].attn.to_kv(normed)[..., :128].reshape(2, 17, 2, 64).transpose(1, 2)
    for scale, factor in (("width", 64**-0.5), ("head", 64**-0.5)):
        other = create_model("face-transformer-p8s8", scale=scale, **settings).eval()
        other.load_state_dict(model.state_dict())
        torch.testing.assert_close(
            attention_of(look_inside(other, images))[:, 0], (query @ key.mT * factor).softmax(-1)
        )
    wide = create_model("face-transformer-p8s8", **{**settings, "width": 128}).eval()
    usual = create_model("face-transformer-p8s8", scale="head", **{**settings, "width": 128}).eval()
    usual.load_state_dict(wide.state_dict())
    sharp, flat = (attention_of(look_inside(net, images))[:, 0] for net in (usual, wide))
    torch.testing.assert_close(flat, (sharp.log() * (64 / 128) ** 0.5).softmax(-1))
    assert not torch.allclose(usual(images).embedding, wide(images).embedding)


def test_overlapping_patches_see_their_neighbours():
    settings = {"image_size": (32, 32), "width": 64, "depth": 1, "heads": 1, "hidden": 16}
    images = torch.zeros(1, 3, 32, 32)
    images[0, :, 13, 13] = 1  # Patches of 12 pixels begin 4 pixels before those of 8, and so share it.
    for name, reached in (("p8s8", [6]), ("p12s8", [6, 7, 10, 11])):
        model = create_model(f"face-transformer-{name}", **settings).eval()
        side, padding = model.patch
        cut = functional.unfold(images, side, padding=padding, stride=8)
        assert [1 + int(n) for n in cut[0].abs().sum(0).nonzero()[:, 0]] == reached


def test_what_does_not_fit_is_refused():
    for name in ("mobilefacenet-xxl", "iresnet-19", "face-transformer-p9s8", "edgeface-m"):
        with pytest.raises(UnknownName):
            create_model(name)
    with pytest.raises(UnknownName, match="attention scale"):
        create_model("face-transformer-p8s8", scale="none")
    for name in ("sface", "mobilefacenet", "iresnet-18", "face-resnet"):
        with pytest.raises(UsageError, match="multiples of 16"):
            create_model(name, image_size=(100, 112))
    with pytest.raises(UsageError, match="14 numbers"):
        sface(widths=[8] * 13)
    with pytest.raises(UsageError, match="squeeze: 9"):
        sface(widths=[8] * 14, squeeze=9)
    with pytest.raises(UsageError, match="built for"):
        create_model("face-transformer-p8s8", depth=0, image_size=(32, 32))(torch.zeros(1, 3, 40, 32))
