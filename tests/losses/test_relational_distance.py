from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.losses import loss_module
from facetrust.losses.relational_distance import relational_distance


def relative(points: np.ndarray) -> list[list[float]]:
    rows = [[float(np.sqrt(((a - b) ** 2).sum())) for b in points] for a in points]
    positive = [d for row in rows for d in row if d > 0]
    mean = sum(positive) / len(positive)
    return [[d / mean for d in row] for row in rows]


def huber(x: float) -> float:
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def slow(student: np.ndarray, teacher: np.ndarray) -> list[float]:
    count, s, t = len(student), relative(student), relative(teacher)
    return [sum(huber(s[i][j] - t[i][j]) for j in range(count)) / count for i in range(count)]


def points(seed: int, width: int, count: int = 6) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(seed)
    # One point far out makes some differences larger than 1, where Huber is linear.
    return (
        torch.randn(count, width, generator=numbers, dtype=torch.float64)
        + 20 * (torch.arange(count) == seed)[:, None]
    )


def test_agrees_with_the_formula_pair_by_pair() -> None:
    student, teacher = points(0, 3), points(1, 5)
    expected = slow(student.numpy(), teacher.numpy())
    assert relational_distance(student, teacher, reduction="none").tolist() == pytest.approx(expected)
    assert loss_module("relational-distance")(student, teacher).item() == pytest.approx(sum(expected) / 6)


def test_size_place_and_turn_of_the_space_do_not_matter() -> None:
    teacher = points(2, 4)
    turn, _ = torch.linalg.qr(points(3, 4, count=4))
    assert relational_distance(3 * teacher @ turn + 7, teacher).item() == pytest.approx(0, abs=1e-12)
    assert relational_distance(points(4, 4), teacher).item() > 1e-3


def test_equal_samples_are_left_out_of_the_mean() -> None:
    student, teacher = points(0, 3).index_select(0, torch.tensor([0, 0, 1, 2])), points(1, 3, count=4)
    expected = slow(student.numpy(), teacher.numpy())
    assert relational_distance(student, teacher).item() == pytest.approx(sum(expected) / 4)


@pytest.mark.parametrize("rows", [[0], [0, 0], [0, 0, 0, 1]])
def test_gradients_stay_finite_where_points_coincide(rows: list[int]) -> None:
    student = points(0, 3)[rows].requires_grad_()
    loss = relational_distance(student, points(1, 3)[: len(rows)])
    loss.backward()
    assert torch.isfinite(loss)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_gradcheck() -> None:
    teacher = points(1, 5)
    assert torch.autograd.gradcheck(lambda x: relational_distance(x, teacher), points(0, 3).requires_grad_())
