from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from facetrust.errors import ModelError, UsageError
from facetrust.models import create_model, look_inside

SIZE = (64, 96)
SMALL: dict[str, Any] = {"image_size": SIZE, "width": 24, "depth": 2, "heads": 2, "hidden": 40}


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    made = create_model("efficient-vit", **SMALL).eval()
    with torch.no_grad():  # As built, the map is nearly zero: the token would be little but its position.
        made.embedder.project.weight.mul_(20)
        made.mlp_head[2].weight.mul_(5)
    return made


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 255


def test_it_has_the_published_size_with_a_position_a_token() -> None:
    """As published 109,447,781, with 32 positions instead of two."""
    with torch.device("meta"):
        model = create_model("efficient-vit")
    assert model.embedder.pos_embedding.shape == (1, 2, 1024)
    assert sum(p.numel() for p in model.parameters()) == 109_417_061
    assert sum(p.numel() for p in model.parameters()) + 30 * 1024 == 109_447_781
    assert sum(p.numel() for p in model.embedder.efficient_net.parameters()) == 5_288_548


def test_of_the_blocks_the_last_three_are_trained() -> None:
    with torch.device("meta"):
        net = create_model("efficient-vit").embedder.efficient_net
    learns = [all(p.requires_grad for p in block.parameters()) for stage in net.blocks for block in stage]
    assert learns == [False] * 13 + [True] * 3
    assert not any(p.requires_grad for stage in net.blocks[:5] for p in stage.parameters())
    assert net.conv_stem.weight.requires_grad
    assert net.conv_head.weight.requires_grad
    assert not net.classifier.weight.requires_grad


def written_out(model: Any, images: Tensor, slow: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, class tokens and evidence, cell by cell and head by head."""
    weights = model.state_dict()
    features = model.embedder.efficient_net.forward_features(images)
    parts = torch.zeros(len(images), 2, 3, 24)
    for row in range(2):
        for column in range(3):
            at = 1280 * (3 * row + column)
            wanted = weights["embedder.project.weight"][:, at : at + 1280]
            parts[:, row, column] = features[:, :, row, column] @ wanted.T
    token = parts.sum((1, 2)) + weights["embedder.project.bias"]
    first = weights["embedder.cls_token"][0, 0].expand(len(images), 24)
    x = torch.stack([first, token], dim=1) + weights["embedder.pos_embedding"][0]
    for block in range(2):
        x = x + slow.attention(weights, f"transformer.layers.{block}.0", x, heads=2)
        x = x + slow.feed_forward(weights, f"transformer.layers.{block}.1", x)
    inner = (x[:, 0] @ weights["mlp_head.0.weight"].T + weights["mlp_head.0.bias"]).clamp_min(0)
    logit = (inner @ weights["mlp_head.2.weight"].T + weights["mlp_head.2.bias"])[:, 0]
    length = parts.square().sum(3).sqrt()
    return logit, x[:, 0], logit[:, None, None] * length / length.mean((1, 2), keepdim=True)


def test_the_answer_is_the_formulas_written_out(model: Any, images: Tensor, slow: Any) -> None:
    with torch.no_grad():
        logit, first, evidence = written_out(model, images, slow)
        output, embedding = model.answer(images)
    assert logit.std() > 1e-4
    torch.testing.assert_close(output.logit, logit, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(embedding, first, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(output.evidence, evidence, atol=1e-5, rtol=1e-4)


def test_a_cell_that_has_no_weight_bears_none_of_the_logit(images: Tensor) -> None:
    model = create_model("efficient-vit", **SMALL).eval()
    with torch.no_grad():
        model.embedder.project.weight.unflatten(1, (2, 3, 1280))[:, 1, 2] = 0
        output = model(images)
    assert (output.evidence[:, 1, 2] == 0).all()
    others = output.evidence.flatten(1)[:, :5]
    assert (others.sign() == output.logit.sign()[:, None]).all()
    assert "not what each part adds" in model.evidence_means


def test_dropout_is_of_tokens_and_attention_but_not_of_the_feed_forward(images: Tensor) -> None:
    model = create_model("efficient-vit", **SMALL, dropout=0.5)
    found = {name: part.p for name, part in model.named_modules() if isinstance(part, torch.nn.Dropout)}
    assert found["embedder.dropout"] == found["transformer.layers.1.0.to_out.1"] == 0.5
    assert {found[f"transformer.layers.0.1.net.{index}"] for index in (2, 4)} == {0.0}


def test_the_trunk_is_as_published_in_what_no_weight_shows() -> None:
    with torch.device("meta"):
        net = create_model("efficient-vit", **SMALL).embedder.efficient_net
    assert (net.bn1.eps, net.bn1.momentum) == (1e-3, 0.01)
    assert net.blocks[6][0].bn3.momentum == 0.01
    # A residual block is left out more often the deeper it lies: 0.2 * index / 16.
    assert net.blocks[1][1].drop_path.drop_prob == pytest.approx(0.2 * 2 / 16)


def test_what_is_inside_is_the_class_token_that_the_head_sees(model: Any, images: Tensor) -> None:
    inside = look_inside(model, images)
    assert inside.embedding.shape == (3, 24)
    assert inside.queries == ()
    torch.testing.assert_close(model.mlp_head(inside.embedding)[:, 0], inside.output.logit)
    inside.embedding.sum().backward()
    assert model.embedder.project.weight.grad.abs().sum() > 0
    model.zero_grad()


@pytest.mark.parametrize("name", ["efficient-vit", "cross-efficient-vit"])
def test_what_does_not_fit_is_one_line(name: str, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"image_size \(64, 100\): give two multiples of 32"):
        create_model(name, image_size=(64, 100))
    model = create_model(name, image_size=(32, 32), depth=1)
    with pytest.raises(UsageError, match=r"images are \(64, 96\), this network was built for .*\(32, 32\)"):
        model(images)

    def unreachable(*args: object, **settings: object) -> None:
        raise OSError("the hub cannot be reached")

    monkeypatch.setattr("timm.models._builder.load_pretrained", unreachable)
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        create_model(name, pretrained=True)
