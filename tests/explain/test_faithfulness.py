"""Curves, pointing and ranks where the right value is known without the code."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import UsageError
from facetrust.explain.faithfulness import (
    blurred,
    deletion,
    insertion,
    mass,
    pointing,
    rank_correlation,
    resized,
)

RNG = np.random.default_rng(0)
SIDE = 8
WEIGHTS = np.arange(1.0, SIDE * SIDE + 1).reshape(SIDE, SIDE)  # Of a linear model; all of them positive.
ONES, NOTHING = np.ones((1, SIDE, SIDE), np.float32), np.zeros((1, SIDE, SIDE), np.float32)


def linear(images):
    return (images[:, 0] * WEIGHTS).sum((1, 2))


class TestOfALinearModel:
    """It gives up a pixel's weight with the pixel, so that a curve is a sum that can be written down."""

    def test_the_best_map_deletes_the_largest_weights_first(self):
        curve = deletion(ONES, WEIGHTS.astype(np.float32), linear, NOTHING, steps=64)
        left = np.arange(64, -1, -1)  # Weights 1 … left are still there.
        assert np.allclose(curve.score, left * (left + 1) / 2)
        assert np.allclose(curve.share, np.arange(65) / 64)
        # The trapezoidal rule on n (n + 1) / 2 at steps of 1 / 64: (sum of all - half of the ends) / 64.
        assert curve.area == pytest.approx((sum(n * (n + 1) / 2 for n in range(65)) - 2080 / 2) / 64)

    def test_its_opposite_deletes_the_smallest_first(self):
        curve = deletion(ONES, -WEIGHTS.astype(np.float32), linear, NOTHING, steps=64)
        gone = np.arange(65)
        assert np.allclose(curve.score, 2080 - gone * (gone + 1) / 2)

    def test_insertion_is_what_deletion_took(self):
        heat = WEIGHTS.astype(np.float32)
        put, taken = (each(ONES, heat, linear, NOTHING, steps=64) for each in (insertion, deletion))
        assert np.allclose(put.score + taken.score, 2080)
        assert put.area + taken.area == pytest.approx(2080)

    def test_a_random_map_gives_a_straight_line_in_the_mean(self):
        maps = RNG.random((400, SIDE, SIDE)).astype(np.float32)
        areas = [deletion(ONES, heat, linear, NOTHING, steps=8).area for heat in maps]
        assert np.mean(areas) == pytest.approx(2080 / 2, rel=0.01)

    def test_the_baseline_is_what_is_left_in_the_end(self):
        image = RNG.random((3, SIDE, SIDE)).astype(np.float32)
        other = blurred(image)
        curve = deletion(image, WEIGHTS.astype(np.float32), lambda x: x.mean((1, 2, 3)), other)
        assert curve.score[0] == pytest.approx(image.mean())
        assert curve.score[-1] == pytest.approx(other.mean())

    def test_a_coarse_map_is_drawn_larger(self):
        half = np.float32([[0, 1]])
        curve = deletion(ONES, half, linear, NOTHING, steps=2)
        assert curve.score[1] == pytest.approx(WEIGHTS[:, :4].sum())


def test_equal_heat_is_taken_in_no_place_first():
    seen = []
    deletion(
        ONES,
        np.zeros((SIDE, SIDE), np.float32),
        lambda x: seen.append(x) or x.mean((1, 2, 3)),
        NOTHING,
        steps=2,
    )
    left, right = seen[0][1, 0][:, :4].sum(), seen[0][1, 0][:, 4:].sum()
    assert left + right == 32
    assert 8 < left < 24


def test_steps_are_one_to_as_many_as_pixels():
    for steps in (0, 65):
        with pytest.raises(UsageError, match="64 pixels is changed in 1 to 64 steps"):
            deletion(ONES, NOTHING[0], linear, NOTHING, steps=steps)


def test_a_blur_keeps_what_is_even_and_takes_detail():
    even = np.stack([np.full((64, 64), value, np.float32) for value in (-1, 0, 2)])
    assert np.allclose(blurred(even), even, atol=1e-5)
    noise = RNG.normal(0, 1, (3, 64, 64)).astype(np.float32)
    assert blurred(noise).std() < 0.1


class TestPointing:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[2:4, 2:4] = True

    def test_a_perfect_map_hits_and_its_opposite_misses(self):
        perfect = self.mask.astype(np.float32)
        assert pointing(perfect, self.mask) == 1
        assert pointing(-perfect, self.mask) == 0
        assert mass(perfect, self.mask) == 1
        assert mass(1 - perfect, self.mask) == 0

    def test_a_flat_map_hits_as_often_as_chance(self):
        flat = np.full((SIDE, SIDE), 0.3, np.float32)
        assert pointing(flat, self.mask) == pytest.approx(4 / 64)
        assert mass(flat, self.mask) == pytest.approx(4 / 64)

    def test_what_speaks_against_has_no_mass(self):
        heat = np.where(self.mask, 1, -5).astype(np.float32)
        assert mass(heat, self.mask) == 1
        assert np.isnan(mass(-np.ones((SIDE, SIDE), np.float32), self.mask))


class TestRanks:
    def test_any_rising_change_leaves_them(self):
        first = RNG.random((5, 7)).astype(np.float32)
        assert rank_correlation(first, np.exp(3 * first)) == pytest.approx(1)
        assert rank_correlation(first, -first) == pytest.approx(-1)
        assert abs(rank_correlation(first, RNG.random((5, 7)).astype(np.float32))) < 0.5

    def test_it_is_spearmans_with_ties(self):
        from scipy.stats import spearmanr

        first, second = RNG.integers(0, 5, (2, 60)).astype(np.float32)
        assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)

    def test_a_flat_map_has_none(self):
        assert np.isnan(rank_correlation(np.zeros((2, 2), np.float32), np.float32([[1, 2], [3, 4]])))


def test_a_map_is_drawn_larger_by_lines():
    assert np.allclose(resized(np.float32([[0, 1]]), (1, 4)), [[0, 0.25, 0.75, 1]])
