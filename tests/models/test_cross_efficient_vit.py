from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from facetrust.models import create_model, look_inside

SIZE = (64, 96)
SMALL: dict[str, Any] = {
    "image_size": SIZE,
    "widths": (16, 24),
    "depth": 2,
    "depths": (1, 2, 2),
    "heads": 2,
    "hidden": 40,
}


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    made = create_model("cross-efficient-vit", **SMALL).eval()
    with torch.no_grad():  # As built, the maps are nearly zero: the tokens would be little but positions.
        made.small.project.weight.mul_(20)
        made.large.project.weight.mul_(20)
    return made


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 255


def test_it_has_the_published_size() -> None:
    with torch.device("meta"):
        model = create_model("cross-efficient-vit")
    assert sum(p.numel() for p in model.parameters()) == 101_377_610
    assert model.small.project.weight.shape == (192, 62_720)
    assert model.large.project.weight.shape == (384, 75_264)
    assert model.small.pos_embedding.shape == (1, 1025, 192)
    assert model.large.pos_embedding.shape == (1, 17, 384)


def test_all_that_runs_is_trained() -> None:
    with torch.device("meta"):
        model = create_model("cross-efficient-vit", **SMALL)
    still = {name.rsplit(".", 1)[0] for name, p in model.named_parameters() if not p.requires_grad}
    assert {name for name in still if name.startswith("small.")} == {"small.efficient_net.classifier"}
    parts = {".".join(name.split(".")[2:4]) for name in still if name.startswith("large.")}
    assert parts == {"classifier", "conv_head", "bn2", *(f"blocks.{stage}" for stage in range(2, 7))}
    assert {name.split(".")[0] for name in still} == {"small", "large"}


def token(weights: dict[str, Tensor], at: str, features: Tensor) -> tuple[Tensor, Tensor]:
    """Two tokens, and the part (B, 2, 3, c) of each cell of 32 x 32 pixels, pixel of the map by pixel."""
    count, channels, rows, columns = features.shape
    weight = weights[f"{at}.project.weight"]
    parts = torch.zeros(count, 2, 3, len(weight))
    for row in range(rows):
        for column in range(columns):
            first = (row * columns + column) * channels
            part = features[:, :, row, column] @ weight[:, first : first + channels].T
            parts[:, row * 2 // rows, column * 3 // columns] += part
    patch = parts.sum((1, 2)) + weights[f"{at}.project.bias"]
    learnt = weights[f"{at}.cls_token"][0, 0].expand_as(patch)
    return torch.stack([learnt, patch], dim=1) + weights[f"{at}.pos_embedding"][0, :2], parts


def look(weights: dict[str, Tensor], at: str, first: Tensor, patch: Tensor, slow: Any) -> Tensor:
    there = first @ weights[f"{at}.project_in.weight"].T + weights[f"{at}.project_in.bias"]
    seen = slow.attention(weights, f"{at}.attention", there, heads=2, context=patch)
    return seen @ weights[f"{at}.project_out.weight"].T + weights[f"{at}.project_out.bias"]


def rounds(weights: dict[str, Tensor], small: Tensor, large: Tensor, slow: Any) -> tuple[Tensor, Tensor]:
    for each in range(2):
        both = {"small": small, "large": large}
        for name, blocks in (("small", 1), ("large", 2)):
            x, at = both[name], f"rounds.{each}.{name}"
            for block in range(blocks):
                x = x + slow.attention(weights, f"{at}.layers.{block}.0", x, heads=2)
                x = x + slow.feed_forward(weights, f"{at}.layers.{block}.1", x)
            both[name] = slow.normed(weights, f"{at}.norm", x)
        small, large = both["small"].clone(), both["large"].clone()
        for time in range(2):
            at = f"rounds.{each}.across.{time}"
            small[:, :1] += look(weights, f"{at}.0", small[:, :1], large[:, 1:], slow)
            large[:, :1] += look(weights, f"{at}.1", large[:, :1], small[:, 1:], slow)
    return small[:, 0], large[:, 0]


def test_the_answer_is_the_formulas_written_out(model: Any, images: Tensor, slow: Any) -> None:
    weights = model.state_dict()
    with torch.no_grad():
        features = model.small.efficient_net.forward_features(images)
        early = model.large.efficient_net
        behind_third = early.blocks[1](early.blocks[0](early.bn1(early.conv_stem(images))))
        assert behind_third.shape == (2, 24, 16, 24)
        small, small_parts = token(weights, "small", features)
        large, large_parts = token(weights, "large", behind_third)
        small, large = rounds(weights, small, large, slow)
        logit, evidence = torch.zeros(2), torch.zeros(2, 2, 3)
        for name, first, parts in (("small", small, small_parts), ("large", large, large_parts)):
            normed = slow.normed(weights, f"{name}_head.0", first)
            one = (normed @ weights[f"{name}_head.1.weight"].T + weights[f"{name}_head.1.bias"])[:, 0]
            length = parts.square().sum(3).sqrt()
            logit += one
            evidence += one[:, None, None] * length / length.mean((1, 2), keepdim=True)
        output, embedding = model.answer(images)
    assert logit.std() > 1e-4
    torch.testing.assert_close(output.logit, logit, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(output.evidence, evidence, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(embedding, torch.cat([small, large], dim=1), atol=1e-5, rtol=1e-4)


def test_each_branch_has_a_trunk_of_its_own(model: Any) -> None:
    ours, theirs = (branch.efficient_net.conv_stem.weight for branch in (model.small, model.large))
    assert ours.data_ptr() != theirs.data_ptr()
    assert not torch.equal(ours, theirs)


def test_what_is_inside_are_both_class_tokens(model: Any, images: Tensor) -> None:
    inside = look_inside(model, images)
    assert inside.embedding.shape == (2, 40)
    small, large = inside.embedding.split([16, 24], dim=1)
    expected = (model.small_head(small) + model.large_head(large))[:, 0]
    torch.testing.assert_close(inside.output.logit, expected)
    assert "each branch's logit" in model.evidence_means


def test_branches_of_one_width_need_no_projection() -> None:
    model = create_model("cross-efficient-vit", **SMALL | {"widths": (16, 16), "depth": 1})
    assert not any("project_in" in name for name in model.state_dict())
