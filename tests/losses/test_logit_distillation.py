from __future__ import annotations

import math

import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.logit_distillation import logit_distillation


def slow(student: float, teacher: float, t: float) -> float:
    p, q = 1 / (1 + math.exp(-teacher / t)), 1 / (1 + math.exp(-student / t))
    return t * t * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))


def random_logits(seed: int, count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, count, generator=numbers, dtype=torch.float64) * 4
    return draw[0], draw[1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_agrees_with_the_formula_term_by_term(temperature: float) -> None:
    student, teacher = random_logits(0)
    expected = [slow(s, t, temperature) for s, t in zip(student.tolist(), teacher.tolist(), strict=True)]
    found = logit_distillation(student, teacher, temperature=temperature, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-10)
    mean = logit_distillation(student, teacher, temperature=temperature)
    assert mean.item() == pytest.approx(sum(expected) / len(expected), rel=1e-10)


def test_equals_the_two_class_softmax_divergence() -> None:
    student, teacher = random_logits(1)
    zeros = torch.zeros_like(student)
    q = torch.log_softmax(torch.stack([zeros, student], 1) / 2, 1)
    p = torch.softmax(torch.stack([zeros, teacher], 1) / 2, 1)
    expected = 4 * torch.nn.functional.kl_div(q, p, reduction="batchmean")
    assert logit_distillation(student, teacher, temperature=2).item() == pytest.approx(expected.item())


def test_is_zero_with_zero_gradient_where_logits_agree() -> None:
    student = torch.tensor([-3.0, 0.0, 5.0], dtype=torch.float64, requires_grad=True)
    loss = logit_distillation(student, student.detach().clone(), temperature=3)
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-12


def test_one_face_alone_gives_a_gradient_of_the_closed_form() -> None:
    # d/dz of T^2 KL is T (q - p).
    student = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    logit_distillation(student, torch.tensor([2.0], dtype=torch.float64), temperature=2).backward()
    assert student.grad is not None
    expected = 2 * (1 / (1 + math.exp(-0.25)) - 1 / (1 + math.exp(-1.0)))
    assert student.grad.item() == pytest.approx(expected)
    assert expected < -0.1


def test_gradcheck() -> None:
    student, teacher = random_logits(2)
    student.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: logit_distillation(s, teacher, temperature=3), student)


def test_extreme_logits_stay_finite_and_grow_like_the_gap() -> None:
    student = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = logit_distillation(student, -student.detach(), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([1e4, 1e4])
    assert student.grad is not None
    assert student.grad.tolist() == pytest.approx([1.0, -1.0])


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True)
    loss_module("logit-distillation", temperature=2)(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_module_is_the_function() -> None:
    student, teacher = random_logits(3)
    module = loss_module("logit-distillation", temperature=3, reduction="none")
    expected = logit_distillation(student, teacher, temperature=3, reduction="none")
    assert torch.equal(module(student, teacher), expected)


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="temperature: 0 is not above 0"):
        logit_distillation(torch.zeros(1), torch.zeros(1), temperature=0)


class TestTheSoftmaxAcrossTheBatch:
    """The form that a batch of single logits invites, `softmax(dim=0)`, and why it is not taken."""

    @staticmethod
    def across(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        q, p = torch.log_softmax(student / 3, dim=0), torch.softmax(teacher / 3, dim=0)
        return 9 * torch.nn.functional.kl_div(q, p, reduction="batchmean")

    def test_it_learns_nothing_from_a_face_alone(self) -> None:
        student, teacher = torch.tensor([-4.0], requires_grad=True), torch.tensor([5.0])
        loss = self.across(student, teacher)
        (wrong,) = torch.autograd.grad(loss, student)
        (right,) = torch.autograd.grad(logit_distillation(student, teacher, temperature=3), student)
        assert (loss.item(), wrong.item()) == (0, 0)
        assert right.item() < -1

    def test_it_does_not_see_a_student_that_calls_every_face_genuine(self) -> None:
        teacher = torch.tensor([-2.0, 1.0, 3.0], dtype=torch.float64)
        assert self.across(teacher - 50, teacher).item() == pytest.approx(0, abs=1e-12)
        assert logit_distillation(teacher - 50, teacher, temperature=3).item() > 10


def test_over_the_batch_is_the_published_call_and_sees_no_shift() -> None:
    student, teacher = random_logits(2)
    column = 9 * torch.nn.functional.kl_div(
        torch.log_softmax(student[:, None] / 3, 0),
        torch.softmax(teacher[:, None] / 3, 0),
        reduction="batchmean",
    )
    found = logit_distillation(student, teacher, temperature=3, over="batch")
    assert found.item() == pytest.approx(column.item(), rel=1e-10)
    shifted = logit_distillation(student + 5, teacher, temperature=3, over="batch")
    assert shifted.item() == pytest.approx(found.item(), rel=1e-10)
    assert logit_distillation(student[:1], teacher[:1], over="batch").item() == pytest.approx(0, abs=1e-12)
