"""Published layouts of face embedders, written out from their descriptions, answer as the imported ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import ModelError
from facetrust.models import create_model, load_checkpoint
from facetrust.zoo import import_checkpoint

# isort: split
import timm


def randomised(model: nn.Module) -> nn.Module:
    """Gives every normalisation something to do."""
    torch.manual_seed(0)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.1)
        if isinstance(part, nn.LayerNorm):
            nn.init.uniform_(part.weight, 0.5, 1.5)
    return model.eval()


def imported(kind: str, content: object, tmp_path: Path) -> tuple[nn.Module, object]:
    torch.save(content, tmp_path / "published.pt")
    return load_checkpoint(import_checkpoint(kind, tmp_path / "published.pt", tmp_path / "run"))


def same(model: nn.Module, images: Tensor, wanted: Tensor) -> None:
    with torch.no_grad():
        found = model(images).embedding
    torch.testing.assert_close(
        found, wanted.detach(), atol=2e-4 * float(wanted.detach().abs().max()), rtol=1e-3
    )


class Residual(nn.Module):
    """AdaFace's block: names and order of its layers are the published ones."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if channels != out:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.PReLU(out),
            nn.Conv2d(out, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


def ada_backbone() -> nn.Module:
    """Returns AdaFace's IR-18 with an embedding of 8."""
    model, width, blocks = nn.Module(), 64, []
    for out in (64, 128, 256, 512):
        blocks += [Residual(width, out, 2), Residual(out, out, 1)]
        width = out
    model.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
    model.body = nn.Sequential(*blocks)
    head = [nn.BatchNorm2d(512), nn.Dropout(0.4), nn.Flatten(), nn.Linear(512 * 49, 8)]
    model.output_layer = nn.Sequential(*head, nn.BatchNorm1d(8, affine=False))
    return randomised(model)


def test_adaface(tmp_path):
    published = ada_backbone()
    state = {f"model.{name}": value for name, value in published.state_dict().items()}
    content = {"state_dict": {**state, "head.kernel": torch.zeros(8, 3), "head.t": torch.zeros(1)}}
    model, card = imported("adaface", content, tmp_path)
    images = torch.randn(2, 3, 112, 112)
    same(model, images, published.output_layer(published.body(published.input_layer(images))))
    assert card.preprocessing.color == "BGR"
    assert card.architecture == "iresnet-18"


def test_arcface_torch(tmp_path):
    # The names are ours; a block is computed by hand below.
    network = randomised(create_model("iresnet-18", embedding=8))
    model, card = imported("arcface-torch", network.state_dict(), tmp_path)
    images = torch.randn(2, 3, 112, 112)
    state = network.state_dict()

    def norm(x: Tensor, name: str) -> Tensor:
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts)

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2)

    x = functional.prelu(norm(conv(images, "conv1"), "bn1"), state["prelu.weight"])
    for stage in range(1, 5):
        for place, stride in ((0, 2), (1, 1)):
            at = f"layer{stage}.{place}"
            inner = norm(conv(norm(x, f"{at}.bn1"), f"{at}.conv1"), f"{at}.bn2")
            inner = functional.prelu(inner, state[f"{at}.prelu.weight"])
            inner = norm(conv(inner, f"{at}.conv2", stride), f"{at}.bn3")
            x = inner + (norm(conv(x, f"{at}.downsample.0", 2), f"{at}.downsample.1") if stride == 2 else x)
    flat = norm(x, "bn2").flatten(1)
    same(model, images, norm(functional.linear(flat, state["fc.weight"], state["fc.bias"]), "features"))
    assert card.preprocessing.mean == card.preprocessing.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("side", "padding"), [(8, 0), (12, 4)])
def test_face_transformer(side, padding, tmp_path):
    width, heads, depth, hidden = 48, 2, 2, 32
    torch.manual_seed(0)
    state = {
        "pos_embedding": torch.randn(1, 197, width),
        "cls_token": torch.randn(1, 1, width),
        "patch_to_embedding.weight": torch.randn(width, 3 * side * side) * 0.1,
        "patch_to_embedding.bias": torch.randn(width),
        "mlp_head.0.weight": torch.rand(width) + 0.5,
        "mlp_head.0.bias": torch.randn(width),
        "loss.weight": torch.zeros(5, width),
    }
    for n in range(depth):
        at = f"transformer.layers.{n}"
        for part in ("0", "1"):
            state |= {f"{at}.{part}.fn.norm.weight": torch.rand(width) + 0.5}
            state |= {f"{at}.{part}.fn.norm.bias": torch.randn(width) * 0.1}
        state |= {
            f"{at}.0.fn.fn.to_qkv.weight": torch.randn(3 * heads * 64, width) * 0.2,
            f"{at}.0.fn.fn.to_out.0.weight": torch.randn(width, heads * 64) * 0.2,
            f"{at}.0.fn.fn.to_out.0.bias": torch.randn(width),
            f"{at}.1.fn.fn.net.0.weight": torch.randn(hidden, width) * 0.2,
            f"{at}.1.fn.fn.net.0.bias": torch.randn(hidden),
            f"{at}.1.fn.fn.net.3.weight": torch.randn(width, hidden) * 0.2,
            f"{at}.1.fn.fn.net.3.bias": torch.randn(width),
        }
    images = torch.rand(2, 3, 112, 112) * 255
    if side == 8:  # Flattened row by row, column by column, channels last.
        cut = images.reshape(2, 3, 14, 8, 14, 8).permute(0, 2, 4, 3, 5, 1).reshape(2, 196, -1)
    else:
        cut = functional.unfold(images, side, padding=padding, stride=8).transpose(1, 2)
    x = functional.linear(cut, state["patch_to_embedding.weight"], state["patch_to_embedding.bias"])
    x = torch.cat([state["cls_token"].expand(2, 1, width), x], 1) + state["pos_embedding"]
    for n in range(depth):
        at = f"transformer.layers.{n}"
        weights = [state[f"{at}.0.fn.norm.{part}"] for part in ("weight", "bias")]
        normed = functional.layer_norm(x, (width,), *weights)
        made = functional.linear(normed, state[f"{at}.0.fn.fn.to_qkv.weight"])
        query, key, value = (
            part.reshape(2, 197, heads, 64).transpose(1, 2) for part in made.chunk(3, dim=-1)
        )
        mixed = (query @ key.mT / math.sqrt(width)).softmax(-1) @ value  # By the width, not by the head's.
        out = [state[f"{at}.0.fn.fn.to_out.0.{part}"] for part in ("weight", "bias")]
        x = x + functional.linear(mixed.transpose(1, 2).flatten(2), *out)
        weights = [state[f"{at}.1.fn.norm.{part}"] for part in ("weight", "bias")]
        inner = functional.layer_norm(x, (width,), *weights)
        for layer, last in (("0", False), ("3", True)):
            parts = [state[f"{at}.1.fn.fn.net.{layer}.{part}"] for part in ("weight", "bias")]
            inner = functional.linear(inner, *parts)
            inner = inner if last else functional.gelu(inner)
        x = x + inner
    wanted = functional.layer_norm(x[:, 0], (width,), state["mlp_head.0.weight"], state["mlp_head.0.bias"])
    model, card = imported("face-transformer", state, tmp_path)
    same(model, images, wanted)
    assert card.architecture == f"face-transformer-p{side}s8"
    assert (card.preprocessing.top, card.preprocessing.mean) == (255.0, (0.0, 0.0, 0.0))


class LowRank(nn.Module):
    """Two linear layers under the published names."""

    def __init__(self, whole: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(whole.in_features, rank, bias=False)
        self.linear2 = nn.Linear(rank, whole.out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.linear1(x))


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_edgeface(share, tmp_path):
    published = nn.Module()
    torch.manual_seed(0)
    published.model = timm.create_model("edgenext_xx_small", num_classes=512)
    for parent in list(published.model.modules()) if share else ():
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                rank = max(2, int(min(child.in_features, child.out_features) * share))
                setattr(parent, name, LowRank(child, rank))
    randomised(published)
    model, card = imported("edgeface", published.state_dict(), tmp_path)
    images = torch.randn(2, 3, 112, 112)
    same(model, images, published.model(images))
    assert card.architecture == "edgeface-xxs"


@pytest.mark.parametrize("kind", ["adaface", "arcface-torch", "edgeface", "face-transformer"])
def test_what_is_something_else_is_refused(kind, tmp_path):
    torch.save({"other.weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"other\.pt: is not"):
        import_checkpoint(kind, tmp_path / "other.pt", tmp_path / "run")
