from __future__ import annotations

import math

import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.binary_cross_entropy import binary_cross_entropy


def slow(logit: float, label: float, smoothing: float) -> float:
    target = (1 - smoothing) * label + smoothing * 0.5
    q = 1 / (1 + math.exp(-logit))
    return -(target * math.log(q) + (1 - target) * math.log(1 - q))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_agrees_with_the_formula_term_by_term(smoothing: float) -> None:
    logits, labels = [-2.0, -0.1, 0.0, 3.0], [1.0, 0.0, 1.0, 0.0]
    expected = [slow(z, y, smoothing) for z, y in zip(logits, labels, strict=True)]
    tensors = torch.tensor(logits, dtype=torch.float64), torch.tensor(labels)
    found = binary_cross_entropy(*tensors, smoothing=smoothing, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-10)
    assert loss_module("binary-cross-entropy", smoothing=smoothing)(*tensors).item() == pytest.approx(
        sum(expected) / 4
    )


def test_closed_forms() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    assert binary_cross_entropy(zero, one).item() == pytest.approx(math.log(2))
    assert binary_cross_entropy(torch.tensor([1e4]), one).item() == 0
    assert binary_cross_entropy(torch.tensor([-1e4]), one).item() == pytest.approx(1e4)


def test_whole_number_labels_will_do() -> None:
    logits = torch.tensor([0.3, -0.7])
    assert torch.equal(
        binary_cross_entropy(logits, torch.tensor([1, 0])),
        binary_cross_entropy(logits, torch.tensor([1.0, 0.0])),
    )


def test_gradcheck() -> None:
    logits = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0.0, 1.0, 0.0])
    assert torch.autograd.gradcheck(lambda z: binary_cross_entropy(z, labels, smoothing=0.1), logits)


def test_smoothing_outside_its_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"smoothing: 1\.5"):
        binary_cross_entropy(torch.zeros(1), torch.zeros(1), smoothing=1.5)
