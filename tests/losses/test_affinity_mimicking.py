from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.affinity_mimicking import affinity_mimicking
from facetrust.losses.contrastive_relational import contrastive_relational


def softmax(anchor: np.ndarray, others: np.ndarray, scale: float) -> list[float]:
    cosines = [float(anchor @ o) / np.linalg.norm(anchor) / np.linalg.norm(o) for o in others]
    powers = [math.exp(scale * c) for c in cosines]
    return [p / sum(powers) for p in powers]


def slow(parts: list[np.ndarray], scale: float, teacher_scale: float) -> list[float]:
    si, st, ti, tt = parts
    found = []
    for i in range(len(si)):
        image = zip(softmax(si[i], st, scale), softmax(ti[i], tt, teacher_scale), strict=True)
        text = zip(softmax(st[i], si, scale), softmax(tt[i], ti, teacher_scale), strict=True)
        found.append(-sum(p * math.log(q) for q, p in (*image, *text)) / 2)
    return found


def parts(seed: int = 0) -> list[torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    return [torch.randn(5, d, generator=numbers, dtype=torch.float64) for d in (3, 3, 4, 4)]


@pytest.mark.parametrize(("scale", "teacher_scale"), [(1.0, 1.0), (10.0, 50.0)])
def test_agrees_with_the_formula_sample_by_sample(scale: float, teacher_scale: float) -> None:
    given = parts()
    expected = slow([x.numpy() for x in given], scale, teacher_scale)
    settings = {"scale": scale, "teacher_scale": teacher_scale}
    assert affinity_mimicking(*given, **settings, reduction="none").tolist() == pytest.approx(expected)
    assert loss_module("affinity-mimicking", **settings)(*given).item() == pytest.approx(sum(expected) / 5)


def test_the_teachers_scale_is_fifty_unless_told() -> None:
    given = parts(1)
    expected = affinity_mimicking(*given, scale=2.0, teacher_scale=50.0).item()
    assert affinity_mimicking(*given, scale=2.0).item() == expected


def test_differs_from_the_divergence_by_what_no_student_changes() -> None:
    student, text, *teacher = parts(2)
    scales = {"scale": 5.0, "teacher_scale": 5.0}
    gaps, gradients = [], []
    for other in (student, -student):
        one, two = other.clone().requires_grad_(), other.clone().requires_grad_()
        entropy = affinity_mimicking(one, text, *teacher, **scales)
        divergence = contrastive_relational(two, text, *teacher, **scales)
        (entropy + divergence).backward()
        gaps.append((entropy - divergence).item())
        gradients.append((one.grad - two.grad).abs().max().item())
    assert gaps[0] == pytest.approx(gaps[1])
    assert gaps[0] > 0
    assert max(gradients) < 1e-12


def test_one_text_for_all_costs_the_logarithm_of_the_batch_one_way() -> None:
    student, text, teacher, taught = parts(3)
    given = (student, text[:1].expand(5, -1), teacher, taught[:1].expand(5, -1))
    back = [softmax(x[:1][0].numpy(), y.numpy(), 2.0) for x, y in ((text, student), (taught, teacher))]
    reverse = -sum(p * math.log(q) for q, p in zip(*back, strict=True))
    found = affinity_mimicking(*given, scale=2.0, teacher_scale=2.0).item()
    assert found == pytest.approx((math.log(5) + reverse) / 2)


def test_a_scale_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="scale: -1 is not above 0"):
        affinity_mimicking(*parts(), scale=-1)
