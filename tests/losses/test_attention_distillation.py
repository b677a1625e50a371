from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facetrust.errors import UnknownName, UsageError
from facetrust.losses.attention_distillation import AttentionDistillation, attention_distillation


def maps(heads: int, *, depth: int = 2, tokens: int = 4, seed: int = 0) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(100 * seed + 10 * heads + depth)
    scores = torch.randn(3, depth, heads, tokens, tokens, generator=numbers, dtype=torch.float64)
    return (2 * scores).softmax(-1)


def row_distance(student: list[float], teacher: list[float], form: str) -> float:
    pairs = list(zip(student, teacher, strict=True))
    if form == "mse":
        return sum((s - t) ** 2 for s, t in pairs)
    return sum(t * math.log(t / s) for s, t in pairs)


def slow(student: np.ndarray, teacher: np.ndarray, *, form: str, heads: str, rows: str) -> list[float]:
    found = []
    for sample, taught in zip(student, teacher, strict=True):
        terms = []
        for i in range(len(sample)):
            j = (i + 1) * len(taught) // len(sample) - 1
            ours, theirs = list(sample[i]), list(taught[j])
            if heads == "mean":
                ours, theirs = [sum(ours) / len(ours)], [sum(theirs) / len(theirs)]
            for a, b in zip(ours, theirs, strict=True):
                if rows == "cls":
                    p, q = a[0, 1:] / sum(a[0, 1:]), b[0, 1:] / sum(b[0, 1:])
                    terms.append(row_distance(list(p), list(q), form))
                else:
                    terms += [row_distance(list(p), list(q), form) for p, q in zip(a, b, strict=True)]
        found.append(sum(terms) / len(terms))
    return found


@pytest.mark.parametrize("form", ["row-kl", "mse"])
@pytest.mark.parametrize("rows", ["all", "cls"])
@pytest.mark.parametrize(
    ("heads", "student", "teacher"),
    [
        ("mean", maps(2), maps(4)),
        ("mean", maps(2), maps(3, depth=5)),
        ("each", maps(3), maps(3, seed=1)),
        ("each", maps(3), maps(3, depth=4)),
    ],
)
def test_agrees_with_the_formula_row_by_row(form, rows, heads, student, teacher) -> None:
    expected = slow(student.numpy(), teacher.numpy(), form=form, heads=heads, rows=rows)
    settings = {"form": form, "heads": heads, "rows": rows}
    found = attention_distillation(student, teacher, **settings, reduction="none")
    assert found.tolist() == pytest.approx(expected)
    assert AttentionDistillation(**settings)(student, teacher).item() == pytest.approx(sum(expected) / 3)


def test_chosen_layers_alone_are_compared() -> None:
    student, teacher = maps(2), maps(4, depth=6)
    expected = attention_distillation(student[:, 1:], teacher[:, 5:]).item()
    assert attention_distillation(student, teacher, layers=(-1,)).item() == pytest.approx(expected)


def test_closed_forms_of_one_row() -> None:
    student, teacher = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    student, teacher = (x.expand(1, 1, 1, 2, 2) for x in (student, teacher))
    assert attention_distillation(student, teacher).item() == pytest.approx(math.log(2))
    assert attention_distillation(student, teacher, form="mse").item() == pytest.approx(0.5)
    # Without what the class token pays itself nothing is left of the teacher's row.
    assert attention_distillation(student, teacher, rows="cls").item() == 0


def test_what_a_class_token_pays_itself_does_not_count_under_cls() -> None:
    student, teacher = maps(1), maps(1, seed=1)
    louder = teacher.clone()
    louder[..., 0, 0] += 3
    louder = louder / louder.sum(-1, keepdim=True)
    expected = attention_distillation(student, teacher, rows="cls").item()
    assert attention_distillation(student, louder, rows="cls").item() == pytest.approx(expected)
    assert attention_distillation(student, louder).item() != pytest.approx(expected)


@pytest.mark.parametrize("rows", ["all", "cls"])
def test_rows_that_underflowed_keep_scores_gradients_finite(rows) -> None:
    scores = torch.tensor([0.0, 500.0, -500.0]).expand(1, 1, 1, 3, 3).clone().requires_grad_()
    teacher = torch.full((1, 1, 1, 3, 3), 1 / 3)
    loss = attention_distillation(scores.softmax(-1), teacher, rows=rows)
    loss.backward()
    assert 10 < loss.item() < 100
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


class TestMixing:
    def test_starts_as_the_mean_of_the_teachers_heads(self) -> None:
        student, teacher = maps(3), maps(12, depth=4)
        module = AttentionDistillation(heads="mix")
        module.adapt(student, teacher)
        assert [tuple(p.shape) for p in module.parameters()] == [(2, 3, 12)]
        mean = teacher[:, [1, 3]].mean(2, keepdim=True).expand(-1, -1, 3, -1, -1)
        expected = attention_distillation(student, mean, heads="each")
        assert module(student, teacher).item() == pytest.approx(expected.item(), rel=1e-6)

    def test_agrees_with_a_mixture_made_by_hand(self) -> None:
        student, teacher = maps(2), maps(3)
        module = AttentionDistillation(heads="mix").double()
        module.adapt(student, teacher)
        values = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
        module.mixing.data.copy_(values)
        mixed = torch.zeros(3, 2, 2, 4, 4, dtype=torch.float64)
        for layer in range(2):
            for head in range(2):
                shares = values[layer, head].exp() / values[layer, head].exp().sum()
                for other in range(3):
                    mixed[:, layer, head] += shares[other].item() * teacher[:, layer, other]
        expected = attention_distillation(student, mixed, heads="each")
        assert module(student, teacher).item() == pytest.approx(expected.item(), rel=1e-6)

    def test_finds_the_heads_that_the_student_follows(self) -> None:
        teacher = maps(4, depth=1)
        student = teacher[:, :, [2, 0]]
        module = AttentionDistillation(heads="mix")
        module.adapt(student, teacher)
        optimiser = torch.optim.Adam(module.parameters(), lr=0.3)
        for _ in range(60):
            optimiser.zero_grad()
            loss = module(student, teacher)
            loss.backward()
            optimiser.step()
        assert module.mixing.argmax(-1).tolist() == [[2, 0]]
        assert loss.item() < 0.01

    def test_no_gradient_reaches_the_teacher(self) -> None:
        student, teacher = maps(2).requires_grad_(), maps(3).requires_grad_()
        module = AttentionDistillation(heads="mix")
        module.adapt(student, teacher)
        module(student, teacher).backward()
        assert teacher.grad is None
        assert student.grad is not None
        assert module.mixing.grad.abs().max() > 0

    def test_wants_the_module_and_its_adapt(self) -> None:
        with pytest.raises(UsageError, match="use the module AttentionDistillation"):
            attention_distillation(maps(2), maps(3), heads="mix")
        with pytest.raises(UsageError, match="call adapt"):
            AttentionDistillation(heads="mix")(maps(2), maps(3))


@pytest.mark.parametrize(
    ("teacher", "settings", "error", "message"),
    [
        (maps(4), {"heads": "each"}, UsageError, "student has 2 heads, the teacher 4; take 'mean' or 'mix'"),
        (maps(2, tokens=5), {}, UsageError, "student has 4 tokens, the teacher 5"),
        (maps(2), {"layers": (2,)}, UsageError, "layers: 2 does not exist"),
        (maps(2), {"form": "row_kl"}, UnknownName, "no form named 'row_kl'; did you mean 'row-kl'"),
        (maps(2), {"heads": "sum"}, UnknownName, "no heads named 'sum'"),
        (maps(2), {"rows": "class"}, UnknownName, "no rows named 'class'"),
    ],
)
def test_what_cannot_be_compared_is_refused(teacher, settings, error, message) -> None:
    with pytest.raises(error, match=message) as raised:
        attention_distillation(maps(2), teacher, **settings)
    assert "\n" not in str(raised.value)
