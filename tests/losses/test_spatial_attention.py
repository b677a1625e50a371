from __future__ import annotations

import math

import pytest
import torch

from facetrust.losses.spatial_attention import spatial_attention


def slow(student: torch.Tensor, teacher: torch.Tensor) -> list[float]:
    """Sample by sample and cell by cell, for maps of one grid."""
    found = []
    for ours, theirs in zip(student, teacher, strict=True):
        cells = [(y, x) for y in range(ours.shape[1]) for x in range(ours.shape[2])]
        first = [sum(float(v) ** 2 for v in ours[:, y, x]) for y, x in cells]
        second = [sum(float(v) ** 2 for v in theirs[:, y, x]) for y, x in cells]
        one, two = (math.sqrt(sum(v * v for v in each)) for each in (first, second))
        found.append(sum((a / one - b / two) ** 2 for a, b in zip(first, second, strict=True)))
    return found


def test_it_equals_the_slow_reference_whatever_the_channels() -> None:
    student, teacher = torch.randn(4, 5, 3, 4), torch.randn(4, 9, 3, 4)
    expected = slow(student, teacher)
    assert spatial_attention(student, teacher, reduction="none").tolist() == pytest.approx(expected, rel=1e-4)
    assert spatial_attention(student, teacher).item() == pytest.approx(sum(expected) / 4, rel=1e-4)


def test_a_finer_map_is_averaged_down() -> None:
    fine, coarse = torch.randn(2, 3, 8, 8), torch.randn(2, 7, 4, 4)
    energy = fine.square().sum(1)
    blocks = energy.reshape(2, 4, 2, 4, 2).mean((2, 4))
    ours = blocks.flatten(1) / blocks.flatten(1).norm(dim=1, keepdim=True)
    theirs = coarse.square().sum(1).flatten(1)
    theirs = theirs / theirs.norm(dim=1, keepdim=True)
    expected = (ours - theirs).square().sum(1)
    assert torch.allclose(spatial_attention(fine, coarse, reduction="none"), expected, atol=1e-6)
    assert torch.allclose(spatial_attention(coarse, fine, reduction="none"), expected, atol=1e-6)


def test_scale_does_not_matter_and_places_do() -> None:
    here, there = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    here[0, :, 0, 0] = 1.0
    there[0, :, 1, 1] = 3.0
    assert spatial_attention(here, 10 * here).item() == pytest.approx(0)
    assert spatial_attention(here, there).item() == pytest.approx(2)


def test_the_teacher_is_not_moved() -> None:
    student, teacher = (
        torch.randn(2, 3, 4, 4, requires_grad=True),
        torch.randn(2, 3, 4, 4, requires_grad=True),
    )
    spatial_attention(student, teacher).backward()
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None
