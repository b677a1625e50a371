from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.relation_distillation import relation_distillation


def parts(
    heads: int, width: int, *, depth: int = 2, tokens: int = 3, seed: int = 0
) -> list[list[torch.Tensor]]:
    """Returns queries, keys and values, a list of (B, H, N, e) each."""
    numbers = torch.Generator().manual_seed(100 * seed + heads + depth)
    draw = torch.randn(3, depth, 2, heads, tokens, width, generator=numbers, dtype=torch.float64)
    return [list(part) for part in draw]


def relations(part: np.ndarray, heads: int) -> np.ndarray:
    """Returns (heads, N, N) softmax rows from one sample's (H, N, e)."""
    joined = np.concatenate(list(part), axis=1)
    found = []
    for cut in np.split(joined, heads, axis=1):
        scores = np.exp(cut @ cut.T / np.sqrt(cut.shape[1]))
        found.append(scores / scores.sum(1, keepdims=True))
    return np.stack(found)


def slow(student: list, teacher: list, *, layers: tuple[int, int], heads: int) -> list[float]:
    found = []
    for b in range(2):
        total = 0.0
        for ours, theirs in zip(student, teacher, strict=True):
            q = relations(ours[layers[0]][b].numpy(), heads)
            p = relations(theirs[layers[1]][b].numpy(), heads)
            total += float((p * np.log(p / q)).sum(2).mean())
        found.append(total)
    return found


@pytest.mark.parametrize("heads", [1, 2, 4, 12])
def test_agrees_with_the_formula_relation_by_relation(heads: int) -> None:
    student, teacher = parts(3, 4), parts(4, 6, depth=5)
    expected = slow(student, teacher, layers=(1, 4), heads=heads)
    found = relation_distillation(*student, *teacher, relation_heads=heads, reduction="none")
    assert found.tolist() == pytest.approx(expected)
    module = loss_module("relation-distillation", relation_heads=heads)
    assert module(*student, *teacher).item() == pytest.approx(sum(expected) / 2)


def test_another_layer_is_matched_by_depth() -> None:
    student, teacher = parts(3, 4), parts(4, 6, depth=6)
    expected = slow(student, teacher, layers=(0, 2), heads=12)
    assert relation_distillation(*student, *teacher, layer=0, reduction="none").tolist() == pytest.approx(
        expected
    )


def test_each_of_the_three_relations_counts() -> None:
    student = parts(3, 4)
    assert relation_distillation(*student, *student).item() == pytest.approx(0, abs=1e-12)
    other = parts(3, 4, seed=1)
    alone = []
    for i in range(3):
        teacher = [*student]
        teacher[i] = other[i]
        alone.append(relation_distillation(*student, *teacher).item())
    assert min(alone) > 1e-3
    assert sum(alone) == pytest.approx(relation_distillation(*student, *other).item())


@pytest.mark.parametrize(
    ("teacher", "settings", "message"),
    [
        (parts(4, 4), {"relation_heads": 12}, "relation_heads: 12 does not divide the width 16"),
        (parts(4, 3), {"relation_heads": 5}, "relation_heads: 5 does not divide the width 12"),
        (parts(4, 3), {"relation_heads": 0}, "relation_heads: 0 does not divide"),
        (parts(4, 3, tokens=4), {}, "student has 3 tokens, the teacher 4"),
        (parts(4, 3), {"layer": 2}, "layers: 2 does not exist"),
        ([[], [], []], {}, "teacher shows no layers"),
    ],
)
def test_what_cannot_be_compared_is_refused(teacher, settings, message) -> None:
    with pytest.raises(UsageError, match=message):
        relation_distillation(*parts(3, 4), *teacher, **settings)
