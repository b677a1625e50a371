from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses.feature_distillation import FeatureDistillation, feature_distillation


def slow(student: np.ndarray, teacher: np.ndarray) -> float:
    s, t = student / np.sqrt(sum(student**2)), teacher / np.sqrt(sum(teacher**2))
    return sum((float(a) - float(b)) ** 2 for a, b in zip(s, t, strict=True)) / len(s)


def embeddings(student: int, teacher: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(5, student, generator=numbers), torch.randn(5, teacher, generator=numbers)


def test_agrees_with_the_formula_sample_by_sample() -> None:
    student, teacher = (x.double() for x in embeddings(4, 4))
    expected = [slow(s, t) for s, t in zip(student.numpy(), teacher.numpy(), strict=True)]
    assert feature_distillation(student, teacher, reduction="none").tolist() == pytest.approx(expected)
    assert feature_distillation(student, teacher).item() == pytest.approx(sum(expected) / 5)


def test_opposite_directions_cost_four_over_the_width_and_lengths_nothing() -> None:
    student, _ = embeddings(8, 8)
    assert feature_distillation(student, -3 * student).item() == pytest.approx(4 / 8)
    assert feature_distillation(student, 3 * student).item() == pytest.approx(0, abs=1e-12)


def test_other_widths_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="student is 3 wide, the teacher 5; use the module") as raised:
        FeatureDistillation()(*embeddings(3, 5))
    assert "\n" not in str(raised.value)


def test_the_module_projects_where_widths_differ() -> None:
    student, teacher = embeddings(3, 5)
    module = FeatureDistillation()
    module.adapt(student, teacher)
    assert [tuple(p.shape) for p in module.parameters()] == [(5, 3), (5,)]
    expected = feature_distillation(student @ module.projection.weight.T + module.projection.bias, teacher)
    loss = module(student, teacher)
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert module.projection.weight.grad.abs().max() > 0


def test_the_projection_learns_a_turn_of_the_space() -> None:
    student, teacher = embeddings(3, 5)
    module = FeatureDistillation()
    torch.nn.init.orthogonal_(teacher)
    module.adapt(student, teacher)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    before = module(student, teacher).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = module(student, teacher)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.6 * before
