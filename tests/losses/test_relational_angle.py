from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.losses import loss_module
from facetrust.losses.relational_angle import relational_angle


def cosine(points: np.ndarray, i: int, j: int, k: int) -> float:
    a, b = points[j] - points[i], points[k] - points[i]
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


def huber(x: float) -> float:
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def slow(student: np.ndarray, teacher: np.ndarray) -> list[float]:
    count = len(student)
    return [
        sum(
            huber(cosine(student, i, j, k) - cosine(teacher, i, j, k))
            for j in range(count)
            for k in range(count)
        )
        / count**2
        for i in range(count)
    ]


def points(seed: int, width: int, count: int = 6) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_agrees_with_the_formula_triple_by_triple() -> None:
    student, teacher = points(0, 3), points(1, 5)
    expected = slow(student.numpy(), teacher.numpy())
    assert relational_angle(student, teacher, reduction="none").tolist() == pytest.approx(expected)
    assert loss_module("relational-angle")(student, teacher).item() == pytest.approx(sum(expected) / 6)


def test_a_right_angle_against_a_straight_line() -> None:
    student = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    teacher = torch.tensor([[0.0], [1.0], [-1.0]])
    # At the corner 0 against -1, at the two ends cos 45 degrees against 1, each for (j, k) and (k, j).
    expected = [2 * huber(1), 2 * huber(1 - 0.5**0.5), 2 * huber(1 - 0.5**0.5)]
    found = relational_angle(student, teacher, reduction="none")
    assert found.tolist() == pytest.approx([x / 9 for x in expected])


def test_size_place_and_turn_of_the_space_do_not_matter() -> None:
    teacher = points(2, 4)
    turn, _ = torch.linalg.qr(points(3, 4, count=4))
    assert relational_angle(3 * teacher @ turn + 7, teacher).item() == pytest.approx(0, abs=1e-12)
    assert relational_angle(points(4, 4), teacher).item() > 1e-3


@pytest.mark.parametrize("rows", [[0], [0, 0], [0, 0, 0, 1]])
def test_gradients_stay_small_where_points_coincide(rows: list[int]) -> None:
    student = points(0, 3)[rows].requires_grad_()
    teacher = points(1, 3)[: len(rows)]
    relational_angle(student, teacher).backward()
    expected = slow(student.detach().numpy(), teacher.numpy())
    assert relational_angle(student, teacher, reduction="none").tolist() == pytest.approx(expected)
    assert student.grad is not None
    assert student.grad.abs().max() < 10


def test_gradcheck() -> None:
    teacher = points(1, 5)
    assert torch.autograd.gradcheck(lambda x: relational_angle(x, teacher), points(0, 3).requires_grad_())
