from __future__ import annotations

import math

import pytest
import torch

from facetrust.losses import loss_module
from facetrust.losses.evidence_cross_entropy import evidence_cross_entropy


def slow(evidence: list[list[float]], mask: torch.Tensor, shift: float) -> float:
    """Cell by cell, pixel by pixel."""
    rows, columns = len(evidence), len(evidence[0])
    tall, wide = mask.shape[0] // rows, mask.shape[1] // columns
    total = 0.0
    for row in range(rows):
        for column in range(columns):
            pixels = [
                float(mask[row * tall + y, column * wide + x]) for y in range(tall) for x in range(wide)
            ]
            target = sum(pixels) / len(pixels)
            said = 1 / (1 + math.exp(-(evidence[row][column] - shift)))
            total -= target * math.log(said) + (1 - target) * math.log(1 - said)
    return total / (rows * columns)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_agrees_with_the_formula_cell_by_cell(shift: float) -> None:
    draw = torch.Generator().manual_seed(0)
    evidence = torch.randn(3, 2, 4, generator=draw, dtype=torch.float64) * 3
    masks = torch.rand(3, 6, 8, generator=draw, dtype=torch.float64)
    found = evidence_cross_entropy(evidence, masks, shift=shift, reduction="none")
    expected = [slow(one.tolist(), mask, shift) for one, mask in zip(evidence, masks, strict=True)]
    assert found.tolist() == pytest.approx(expected)


def test_a_map_that_points_at_the_place_costs_least_and_still_speaks_for_the_whole() -> None:
    masks = torch.zeros(1, 8, 8)
    masks[:, :4, :4] = 1
    there, elsewhere = torch.full((1, 2, 2), -1.0), torch.full((1, 2, 2), -1.0)
    there[0, 0, 0] = elsewhere[0, 1, 1] = 6.0
    assert there.mean() > 0
    assert evidence_cross_entropy(there, masks).item() < 0.05
    assert evidence_cross_entropy(elsewhere, masks).item() > 1


def test_descending_finds_the_mask() -> None:
    masks = (torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    evidence = torch.zeros(2, 4, 4, requires_grad=True)
    loss = loss_module("evidence-cross-entropy")
    for _ in range(200):
        (gradient,) = torch.autograd.grad(loss(evidence, masks), evidence)
        evidence = (evidence - 20 * gradient).detach().requires_grad_()
    assert ((evidence > 2) == (masks == 1)).all()
