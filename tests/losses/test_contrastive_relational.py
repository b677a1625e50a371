from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.contrastive_relational import contrastive_relational


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def softmax(anchor: np.ndarray, others: np.ndarray, scale: float) -> list[float]:
    powers = [math.exp(scale * float(unit(anchor) @ unit(other))) for other in others]
    return [p / sum(powers) for p in powers]


def slow(parts: list[np.ndarray], scale: float, teacher_scale: float) -> list[float]:
    si, st, ti, tt = parts
    found = []
    for i in range(len(si)):
        total = 0.0
        for q, p in (
            (softmax(si[i], st, scale), softmax(ti[i], tt, teacher_scale)),
            (softmax(st[i], si, scale), softmax(tt[i], ti, teacher_scale)),
        ):
            total += sum(b * math.log(b / a) for a, b in zip(q, p, strict=True))
        found.append(total / 2)
    return found


def parts(seed: int = 0) -> list[torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    return [torch.randn(5, d, generator=numbers, dtype=torch.float64) for d in (3, 3, 4, 4)]


@pytest.mark.parametrize(("scale", "teacher_scale"), [(1.0, 1.0), (10.0, 3.0)])
def test_agrees_with_the_formula_sample_by_sample(scale: float, teacher_scale: float) -> None:
    given = parts()
    expected = slow([x.numpy() for x in given], scale, teacher_scale)
    settings = {"scale": scale, "teacher_scale": teacher_scale}
    assert contrastive_relational(*given, **settings, reduction="none").tolist() == pytest.approx(expected)
    assert loss_module("contrastive-relational", **settings)(*given).item() == pytest.approx(
        sum(expected) / 5
    )


def test_is_zero_where_both_match_alike() -> None:
    student, text, _, _ = parts()
    assert contrastive_relational(student, text, 2 * student, 3 * text).item() == pytest.approx(0, abs=1e-12)
    assert contrastive_relational(student, text, -student, text).item() > 1


def test_shared_texts_compare_the_classes_by_how_often_they_are_there() -> None:
    student, text, teacher, taught = parts()
    rows = torch.tensor([0, 0, 0, 1, 1])
    one_way = []
    for i in range(5):
        classes = []
        for image, words in ((student, text), (teacher, taught)):
            p = softmax(image[i].numpy(), words[:2].numpy(), 4.0)
            weighted = [3 * p[0], 2 * p[1]]
            classes.append([w / sum(weighted) for w in weighted])
        one_way.append(sum(b * math.log(b / a) for a, b in zip(*classes, strict=True)))
    given = (student, text[rows], teacher, taught[rows])
    found = contrastive_relational(*given, scale=4.0, teacher_scale=4.0, reduction="none")
    # What the image's way leaves over is the text's way, which is the same for all samples of a class.
    other = [2 * f - a for f, a in zip(found.tolist(), one_way, strict=True)]
    assert other == pytest.approx([other[0]] * 3 + [other[3]] * 2)
    assert other[0] != pytest.approx(other[3])


def test_a_scale_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="teacher_scale: 0 is not above 0"):
        contrastive_relational(*parts(), teacher_scale=0)
