from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.losses import loss_module
from facetrust.losses.view_consistency import view_consistency


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_agrees_with_the_formula_sample_by_sample() -> None:
    numbers = torch.Generator().manual_seed(0)
    parts = torch.randn(4, 5, 3, generator=numbers, dtype=torch.float64)
    f1, f2, t1, t2 = parts.numpy()
    expected = [(cosine(f1[i], t1[i]) - cosine(f2[i], t2[i])) ** 2 for i in range(5)]
    assert view_consistency(*parts, reduction="none").tolist() == pytest.approx(expected)
    assert loss_module("view-consistency")(*parts).item() == pytest.approx(sum(expected) / 5)


def test_it_compares_cosines_not_vectors() -> None:
    # Both images lie 45 degrees from their text, in different directions.
    first, second = torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[0.0, 5.0, 5.0]])
    first_text, second_text = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.1]])
    assert view_consistency(first, second, first_text, second_text).item() == pytest.approx(0, abs=1e-12)


def test_its_largest_value_is_four() -> None:
    x = torch.tensor([[0.6, 0.8]])
    assert view_consistency(x, x, x, -x).item() == pytest.approx(4)


def test_gradients_reach_images_and_texts() -> None:
    parts = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1)).unbind()
    for part in parts:
        part.requires_grad_()
    view_consistency(*parts).backward()
    assert all(part.grad is not None and part.grad.abs().max() > 0 for part in parts)
