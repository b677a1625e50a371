"""Published Efficient ViTs, made up tensor by tensor under the names and shapes of their authors' files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from facetrust.errors import ModelError
from facetrust.models import load_checkpoint
from facetrust.zoo import import_checkpoint

Weights = dict[str, Tensor]
# EfficientNet-B0: kernel, stride, expansion, channels and blocks of each stage (arXiv 1905.11946, table 1).
STAGES = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]
# Kernel, stride, expansion, channels in and out of each of the sixteen blocks.
BLOCKS: list[tuple[int, int, int, int, int]] = []
for kernel, stride, expansion, channels, count in STAGES:
    for index in range(count):
        before = BLOCKS[-1][-1] if BLOCKS else 32
        BLOCKS.append((kernel, stride if index == 0 else 1, expansion, before, channels))


def norm(weights: Weights, at: str, width: int) -> None:
    weights[f"{at}.weight"], weights[f"{at}.bias"] = 1 + 0.2 * torch.randn(width), 0.2 * torch.randn(width)


def batch_norm(weights: Weights, at: str, width: int) -> None:
    norm(weights, at, width)
    weights[f"{at}.running_mean"], weights[f"{at}.running_var"] = (
        torch.randn(width) * 0.2,
        torch.rand(width) + 0.5,
    )
    weights[f"{at}.num_batches_tracked"] = torch.tensor(3)


def layer(weights: Weights, at: str, *shape: int, bias: bool = True) -> None:
    weights[f"{at}.weight"] = torch.randn(*shape) / torch.tensor(shape[1:]).prod() ** 0.5
    if bias:
        weights[f"{at}.bias"] = 0.2 * torch.randn(shape[0])


def efficientnet(weights: Weights, at: str) -> None:
    layer(weights, f"{at}._conv_stem", 32, 3, 3, 3, bias=False)
    batch_norm(weights, f"{at}._bn0", 32)
    for index, (kernel, _, expansion, before, after) in enumerate(BLOCKS):
        block, wide = f"{at}._blocks.{index}", before * expansion
        if expansion > 1:
            layer(weights, f"{block}._expand_conv", wide, before, 1, 1, bias=False)
            batch_norm(weights, f"{block}._bn0", wide)
        layer(weights, f"{block}._depthwise_conv", wide, 1, kernel, kernel, bias=False)
        batch_norm(weights, f"{block}._bn1", wide)
        layer(weights, f"{block}._se_reduce", before // 4, wide, 1, 1)
        layer(weights, f"{block}._se_expand", wide, before // 4, 1, 1)
        layer(weights, f"{block}._project_conv", after, wide, 1, 1, bias=False)
        batch_norm(weights, f"{block}._bn2", after)
    layer(weights, f"{at}._conv_head", 1280, 320, 1, 1, bias=False)
    batch_norm(weights, f"{at}._bn1", 1280)
    layer(weights, f"{at}._fc", 1000, 1280)


def feed_forward(weights: Weights, at: str, width: int) -> None:
    norm(weights, f"{at}.norm", width)
    layer(weights, f"{at}.fn.net.0", 40, width)
    layer(weights, f"{at}.fn.net.3", width, 40)


def attention(weights: Weights, at: str, width: int) -> None:
    """As the cross network has it: two matrices, of which the second makes keys and values."""
    norm(weights, f"{at}.norm", width)
    layer(weights, f"{at}.fn.to_q", 128, width, bias=False)
    layer(weights, f"{at}.fn.to_kv", 256, width, bias=False)
    layer(weights, f"{at}.fn.to_out.0", width, 128)


def efficient() -> Weights:
    torch.manual_seed(0)
    weights: Weights = {}
    efficientnet(weights, "efficient_net")
    weights["pos_embedding"], weights["cls_token"] = torch.randn(32, 1, 24), torch.randn(1, 1, 24)
    layer(weights, "patch_to_embedding", 24, 1280)
    for block in range(2):
        at = f"transformer.layers.{block}"
        norm(weights, f"{at}.0.norm", 24)
        layer(weights, f"{at}.0.fn.to_qkv", 384, 24, bias=False)
        layer(weights, f"{at}.0.fn.to_out.0", 24, 128)
        feed_forward(weights, f"{at}.1", 24)
    layer(weights, "mlp_head.0", 40, 24)
    layer(weights, "mlp_head.2", 1, 40)
    return weights


def cross() -> Weights:
    torch.manual_seed(0)
    weights: Weights = {}
    for name, width, positions, numbers in (("sm", 16, 1025, 1280), ("lg", 24, 17, 8 * 8 * 24)):
        at = f"{name}_image_embedder"
        efficientnet(weights, f"{at}.efficient_net")
        layer(weights, f"{at}.to_patch_embedding.1", width, numbers)
        weights[f"{at}.pos_embedding"] = torch.randn(1, positions, width)
        weights[f"{at}.cls_token"] = torch.randn(1, 1, width)
        norm(weights, f"{name}_mlp_head.0", width)
        layer(weights, f"{name}_mlp_head.1", 1, width)
    for each in range(2):
        for kind, width, blocks in ((0, 16, 1), (1, 24, 2)):
            at = f"multi_scale_encoder.layers.{each}.{kind}"
            norm(weights, f"{at}.norm", width)
            for block in range(blocks):
                attention(weights, f"{at}.layers.{block}.0", width)
                feed_forward(weights, f"{at}.layers.{block}.1", width)
        for kind, width, other in ((0, 16, 24), (1, 24, 16)):
            at = f"multi_scale_encoder.layers.{each}.2.layers.0.{kind}"
            layer(weights, f"{at}.project_in", other, width)
            attention(weights, f"{at}.fn", other)
            layer(weights, f"{at}.project_out", width, other)
    return weights


def convolved(weights: Weights, at: str, x: Tensor, *, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution padded as TensorFlow does: as many outputs as strides fit, what is odd at the end."""
    kernel = weights[f"{at}.weight"].shape[-1]
    pads = []
    for side in (x.shape[3], x.shape[2]):
        missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [missing // 2, missing - missing // 2]
    bias = weights.get(f"{at}.bias")
    return functional.conv2d(functional.pad(x, pads), weights[f"{at}.weight"], bias, stride, groups=groups)


def normed(weights: Weights, at: str, x: Tensor) -> Tensor:
    mean, spread, factor, shift = (
        weights[f"{at}.{name}"][:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (spread + 1e-3).sqrt() * factor + shift


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def features(weights: Weights, at: str, images: Tensor, *, until: int = 15) -> Tensor:
    """The map behind a block of EfficientNet-B0, in the published names; behind the last, the head's."""
    x = swish(normed(weights, f"{at}._bn0", convolved(weights, f"{at}._conv_stem", images, stride=2)))
    for index, (_, stride, expansion, before, after) in enumerate(BLOCKS[: until + 1]):
        block, y = f"{at}._blocks.{index}", x
        if expansion > 1:
            y = swish(normed(weights, f"{block}._bn0", convolved(weights, f"{block}._expand_conv", y)))
        y = convolved(weights, f"{block}._depthwise_conv", y, stride=stride, groups=y.shape[1])
        y = swish(normed(weights, f"{block}._bn1", y))
        squeezed = swish(convolved(weights, f"{block}._se_reduce", y.mean((2, 3), keepdim=True)))
        y = y * torch.sigmoid(convolved(weights, f"{block}._se_expand", squeezed))
        y = normed(weights, f"{block}._bn2", convolved(weights, f"{block}._project_conv", y))
        x = x + y if stride == 1 and before == after else y
    if until < 15:
        return x
    return swish(normed(weights, f"{at}._bn1", convolved(weights, f"{at}._conv_head", x)))


MAKERS: dict[str, Callable[[], Weights]] = {"efficient-vit": efficient, "cross-efficient-vit": cross}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def imported(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Weights, Any, Any]:
    folder, kind = tmp_path_factory.mktemp("published"), request.param
    published = MAKERS[kind]()
    torch.save({f"module.{key}": value for key, value in published.items()}, folder / "published")
    model, card = load_checkpoint(import_checkpoint(kind, folder / "published", folder / "out"))
    return kind, published, model, card


def test_the_trunks_give_the_published_features(imported: tuple[str, Weights, Any, Any]) -> None:
    kind, published, model, _ = imported
    images = torch.rand(2, 3, 32, 32) * 255
    with torch.no_grad():
        if kind == "efficient-vit":
            pairs = [(model.embedder, features(published, "efficient_net", images))]
        else:
            small, large = (f"{name}_image_embedder.efficient_net" for name in ("sm", "lg"))
            early = features(published, large, images, until=2)
            pairs = [(model.small, features(published, small, images)), (model.large, early)]
        for branch, expected in pairs:
            token = expected.permute(0, 2, 3, 1).flatten(1) @ branch.project.weight.T + branch.project.bias
            found = branch(images)[0][:, 1] - branch.pos_embedding[:, 1]
            assert expected.std() > 0.05
            torch.testing.assert_close(found, token, atol=1e-3, rtol=1e-3)


# One of each sort of tensor beside the trunk, in the published names and in ours.
SAME = {
    "efficient-vit": [
        ("cls_token", "embedder.cls_token"),
        ("patch_to_embedding.weight", "embedder.project.weight"),
        ("transformer.layers.1.0.norm.weight", "transformer.layers.1.0.norm.weight"),
        ("transformer.layers.1.0.fn.to_out.0.bias", "transformer.layers.1.0.to_out.0.bias"),
        ("transformer.layers.1.1.norm.bias", "transformer.layers.1.1.norm.bias"),
        ("transformer.layers.1.1.fn.net.3.bias", "transformer.layers.1.1.net.3.bias"),
        ("mlp_head.2.weight", "mlp_head.2.weight"),
        ("efficient_net._fc.bias", "embedder.efficient_net.classifier.bias"),
    ],
    "cross-efficient-vit": [
        ("lg_image_embedder.cls_token", "large.cls_token"),
        ("sm_image_embedder.pos_embedding", "small.pos_embedding"),
        ("lg_image_embedder.to_patch_embedding.1.bias", "large.project.bias"),
        ("multi_scale_encoder.layers.1.0.norm.bias", "rounds.1.small.norm.bias"),
        ("multi_scale_encoder.layers.1.1.layers.1.0.norm.bias", "rounds.1.large.layers.1.0.norm.bias"),
        (
            "multi_scale_encoder.layers.1.1.layers.1.0.fn.to_kv.weight",
            "rounds.1.large.layers.1.0.to_kv.weight",
        ),
        ("multi_scale_encoder.layers.0.1.layers.1.1.fn.net.0.bias", "rounds.0.large.layers.1.1.net.0.bias"),
        ("multi_scale_encoder.layers.1.2.layers.0.1.project_in.bias", "rounds.1.across.0.1.project_in.bias"),
        ("multi_scale_encoder.layers.1.2.layers.0.0.fn.norm.bias", "rounds.1.across.0.0.attention.norm.bias"),
        (
            "multi_scale_encoder.layers.0.2.layers.0.1.fn.fn.to_q.weight",
            "rounds.0.across.0.1.attention.to_q.weight",
        ),
        ("sm_mlp_head.0.weight", "small_head.0.weight"),
        ("lg_mlp_head.1.weight", "large_head.1.weight"),
        ("lg_image_embedder.efficient_net._blocks.15._bn2.bias", "large.efficient_net.blocks.6.0.bn3.bias"),
    ],
}


def test_each_tensor_lies_where_it_belongs(imported: tuple[str, Weights, Any, Any]) -> None:
    kind, published, model, card = imported
    ours = model.state_dict()
    for theirs, name in SAME[kind]:
        assert torch.equal(ours[name], published[theirs]), name
    if kind == "efficient-vit":
        joined = published["transformer.layers.1.0.fn.to_qkv.weight"]
        assert torch.equal(ours["transformer.layers.1.0.to_q.weight"], joined[:128])
        assert torch.equal(ours["transformer.layers.1.0.to_kv.weight"], joined[128:])
        # The first image of a published batch got the first row, both its tokens alike.
        assert torch.equal(ours["embedder.pos_embedding"][0], published["pos_embedding"][[0, 0], 0])
    assert card.parameters == sum(p.numel() for p in model.parameters())


def test_the_card_says_how_it_was_fed(imported: tuple[str, Weights, Any, Any]) -> None:
    kind, _, model, card = imported
    how = card.preprocessing
    assert (card.name, card.task, card.terms) == (kind, "deepfake", "MIT as published")
    assert (how.color, how.top, how.mean, how.std) == ("BGR", 255.0, (0, 0, 0), (1, 1, 1))
    assert (how.margins, how.square, how.fill, how.size) == ((1.0,), True, "zero", (32, 32))
    assert how.resize == "cubic"  # where a small face grows; a large one is averaged
    assert card.evidence_means == model.evidence_means


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        ("efficient-vit", {"cls_token": None}, "1 tensors differ, the first is embedder.cls_token"),
        (
            "efficient-vit",
            {"mlp_head.0.weight": None},
            "no Efficient ViT checkpoint; it lacks mlp_head.0.weight",
        ),
        ("efficient-vit", {"pos_embedding": torch.zeros(2)}, "it lacks pos_embedding"),
        (
            "efficient-vit",
            {"efficient_net._blocks.16._bn2.bias": torch.zeros(2)},
            "1 tensors differ, .*_blocks.16",
        ),
        (
            "efficient-vit",
            {"patch_to_embedding.weight": torch.zeros(24, 7)},
            "1 tensors differ.*project.weight",
        ),
        (
            "cross-efficient-vit",
            {"lg_image_embedder.cls_token": None},
            "no Cross Efficient ViT .* it lacks lg_",
        ),
        ("cross-efficient-vit", {"extra": torch.zeros(1)}, "1 tensors differ, the first is extra"),
    ],
)
def test_another_file_is_refused_in_one_line(
    kind: str, spoil: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    weights = {**MAKERS[kind](), **spoil}
    torch.save({key: value for key, value in weights.items() if value is not None}, tmp_path / "published")
    with pytest.raises(ModelError, match=message) as caught:
        import_checkpoint(kind, tmp_path / "published", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_one_kind_is_not_taken_for_the_other(tmp_path: Path) -> None:
    torch.save(cross(), tmp_path / "published")
    with pytest.raises(ModelError, match=re.escape("is no Efficient ViT checkpoint")):
        import_checkpoint("efficient-vit", tmp_path / "published", tmp_path / "out")
