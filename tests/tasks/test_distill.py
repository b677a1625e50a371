from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from facetrust.errors import UsageError
from facetrust.losses.logit_distillation import logit_distillation
from facetrust.tasks.antispoof import antispoof
from facetrust.tasks.distill import Taught, distill

Net = Callable[[float], nn.Module]
Batch = Callable[..., dict[str, Any]]


def test_teachers_are_averaged_by_weight_each_from_its_own_view(brightness: Net, batch: Batch) -> None:
    teachers = {"a": Taught(brightness(1.0), 3.0), "b": Taught(brightness(2.0), 1.0)}
    task = distill(antispoof(brightness(0.0)), teachers)
    parts = task(batch(student=9.0, a=1.0, b=-1.0))
    assert parts["teacher_logits"].tolist() == pytest.approx([(3 - 2) / 4, (9 - 6) / 4])


def test_loss_is_the_sum_of_the_named_parts(brightness: Net, batch: Batch) -> None:
    task = distill(
        antispoof(brightness(1.0), weight=0.3), {"a": Taught(brightness(2.0))}, weight=0.7, temperature=3
    )
    parts = task(batch(student=1.0, a=0.5))
    expected = logit_distillation(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 3.0]), temperature=3)
    assert parts["distillation"].item() == pytest.approx(expected.item(), abs=1e-7)
    parts = task(batch(student=1.0, a=2.0))
    soft = logit_distillation(torch.tensor([1.0, 3.0]), torch.tensor([4.0, 12.0]), temperature=3)
    assert parts["distillation"].item() == pytest.approx(soft.item())
    assert parts["loss"].item() == pytest.approx(0.3 * parts["supervised"].item() + 0.7 * soft.item())
    assert task.weights == {"supervised": 0.3, "distillation": 0.7}


def test_teachers_stay_still(brightness: Net, batch: Batch) -> None:
    teacher = nn.Sequential(nn.Dropout(0.5), brightness(1.0)).train()
    task = distill(antispoof(brightness(0.0)), {"a": Taught(teacher)}).train()
    task(batch(student=1.0, a=1.0))["loss"].backward()
    assert not teacher.training
    assert all(value.grad is None and not value.requires_grad for value in teacher.parameters())
    assert list(task.state_dict()) == ["task.model.factor"]


def test_a_student_that_only_imitates_comes_to_its_teacher(brightness: Net, batch: Batch) -> None:
    student = brightness(-1.0)
    task = distill(antispoof(student, weight=0.0), {"a": Taught(brightness(0.8))}, temperature=2)
    optimizer = torch.optim.SGD(task.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        task(batch(student=1.0, a=1.0))["loss"].backward()
        optimizer.step()
    assert student.factor.item() == pytest.approx(0.8, abs=1e-3)


def test_no_teachers_is_an_error(brightness: Net) -> None:
    with pytest.raises(UsageError, match="at least one teacher"):
        distill(antispoof(brightness(0.0)), {})
