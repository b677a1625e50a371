"""F1 of boundaries: by hand, and against a search through all pairs of points."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics.boundary_f1 import TOLERANCE, boundary_f1


def slow(truth: np.ndarray, answer: np.ndarray, index: int, tolerance: float) -> float:
    """Every point of one boundary against every point of the other, by the definition."""

    def points(mask: np.ndarray) -> list[tuple[int, int]]:
        height, width = mask.shape
        return [
            (y, x)
            for y in range(height)
            for x in range(width)
            if mask[y, x] == index
            and any(
                0 <= y + down < height and 0 <= x + right < width and mask[y + down, x + right] != index
                for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))
            )
        ]

    def share(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        reach = tolerance * (truth.shape[0] ** 2 + truth.shape[1] ** 2) ** 0.5
        near = [min(((y - v) ** 2 + (x - u) ** 2) ** 0.5 for v, u in others) < reach for y, x in some]
        return sum(near) / len(near)

    true, said = points(truth), points(answer)
    if not true or not said:
        return 0.0
    precision, recall = share(said, true), share(true, said)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def square(top: int, left: int, side: int = 10) -> np.ndarray:
    """A square of class 1 in a picture whose diagonal is 50 pixels, of which 0.0201 are 1.005."""
    mask = np.zeros((30, 40), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def test_by_hand():
    """Moved by one pixel, every point has one of the other's as near; moved by two, two sides overlap."""
    truth = square(5, 5)
    assert boundary_f1(truth, truth, index=1) == 1
    assert boundary_f1(truth, square(5, 6), index=1, tolerance=0.0201) == 1
    # Of 36 points 8 of the upper and 8 of the lower side lie on the other square's.
    assert boundary_f1(truth, square(5, 7), index=1, tolerance=0.0199) == pytest.approx(16 / 36)
    assert boundary_f1(truth, square(18, 25), index=1) == 0
    assert boundary_f1(truth, truth * 0, index=1) == 0
    assert boundary_f1(truth * 0, truth, index=1) == 0


def test_a_distance_of_the_tolerance_itself_is_too_far():
    truth, moved = square(5, 5, side=1), square(5, 6, side=1)
    assert boundary_f1(truth, moved, index=1, tolerance=1 / 50) == 0
    assert boundary_f1(truth, moved, index=1, tolerance=1.001 / 50) == 1


@pytest.mark.parametrize("seed", range(4))
def test_against_a_slow_search(seed):
    rng = np.random.default_rng(seed)
    truth, answer = rng.integers(0, 3, (2, 6, 7)).repeat(4, axis=1).repeat(3, axis=2)
    truth, answer = truth[:, :20], np.roll(answer, 1, axis=1)[:, :20]
    for index, tolerance in ((0, TOLERANCE), (1, 0.05), (2, 0.12)):
        wanted = slow(truth, answer, index, tolerance)
        assert 0 < wanted < 1 or tolerance == TOLERANCE
        assert boundary_f1(truth, answer, index=index, tolerance=tolerance) == pytest.approx(wanted)


def test_the_pictures_edge_is_no_boundary():
    whole = np.ones((8, 8), np.uint8)
    with pytest.raises(MetricError, match="class 1 has a boundary neither"):
        boundary_f1(whole, whole, index=1)
    half = whole.copy()
    half[:, 4:] = 0
    assert boundary_f1(half, half, index=1) == 1


def test_what_cannot_be_measured_is_named():
    mask = square(5, 5)
    with pytest.raises(MetricError, match="one shape"):
        boundary_f1(mask, mask[1:], index=1)
    with pytest.raises(MetricError, match="one shape"):
        boundary_f1([1, 2], [1, 2], index=1)
    with pytest.raises(MetricError, match="above 0, not 0"):
        boundary_f1(mask, mask, index=1, tolerance=0)
    with pytest.raises(MetricError, match="class 7"):
        boundary_f1(mask, mask, index=7)
