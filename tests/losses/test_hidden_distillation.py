from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses.hidden_distillation import HiddenDistillation, hidden_distillation


def normalised(token: np.ndarray) -> np.ndarray:
    return (token - token.mean()) / np.sqrt(token.var() + 1e-5)


def slow(student: list[np.ndarray], teacher: list[np.ndarray], pairs: list[tuple[int, int]]) -> list[float]:
    found = []
    for b in range(len(student[0])):
        squares = [
            (normalised(student[i][b, n]) - normalised(teacher[j][b, n])) ** 2
            for i, j in pairs
            for n in range(student[0].shape[1])
        ]
        found.append(float(np.mean(squares)))
    return found


def hidden(depth: int, width: int, *, tokens: int = 3, seed: int = 0) -> list[torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed + depth)
    draw = torch.randn(depth, 2, tokens, width, generator=numbers, dtype=torch.float64) * 5 + 1
    return list(draw)


@pytest.mark.parametrize(
    ("depth", "layers", "pairs"),
    [
        (2, None, [(0, 0), (1, 1)]),
        (2, (-1,), [(1, 1)]),
        (4, None, [(0, 1), (1, 3)]),
        (4, [0], [(0, 1)]),
    ],
)
def test_agrees_with_the_formula_token_by_token(depth: int, layers, pairs) -> None:
    student, teacher = hidden(2, 4), hidden(depth, 4, seed=9)
    expected = slow([x.numpy() for x in student], [x.numpy() for x in teacher], pairs)
    found = hidden_distillation(student, teacher, layers=layers, reduction="none")
    assert found.tolist() == pytest.approx(expected)
    assert HiddenDistillation(layers=layers)(student, teacher).item() == pytest.approx(np.mean(expected))


def test_size_and_shift_of_a_token_do_not_matter() -> None:
    student = hidden(3, 6)
    assert hidden_distillation(student, [100 * x + 7 for x in student]).item() == pytest.approx(0, abs=1e-9)


def test_the_module_makes_one_projection_a_compared_layer() -> None:
    student, teacher = hidden(3, 4), hidden(6, 5)
    module = HiddenDistillation(layers=(0, 2))
    module.adapt(student, teacher)
    module.double()
    assert [tuple(layer.weight.shape) for layer in module.projections] == [(5, 4), (5, 4)]
    projected = [
        x @ p.weight.T + p.bias for x, p in zip((student[0], student[2]), module.projections, strict=True)
    ]
    chosen = [teacher[1], teacher[5]]
    loss = module(student, teacher)
    assert loss.item() == pytest.approx(hidden_distillation(projected, chosen).item())
    loss.backward()
    assert all(layer.weight.grad.abs().max() > 0 for layer in module.projections)


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        (hidden(2, 4), hidden(2, 5), "student is 4 wide, the teacher 5"),
        (hidden(2, 4), hidden(2, 4, tokens=4), "student has 3 tokens, the teacher 4"),
        ((), hidden(2, 4), "student shows no layers"),
    ],
)
def test_what_cannot_be_compared_is_refused(student, teacher, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hidden_distillation(student, teacher)
