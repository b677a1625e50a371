from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facetrust.data.simulate._blending import Blend
from facetrust.data.simulate.digital_spoof import digital_spoof
from facetrust.data.simulate.self_blend import self_blend
from facetrust.data.simulate.statistics import MEANINGS, Traces, traces
from facetrust.imaging import read_image

BOX = (10.0, 20.0, 20.0, 40.0)


@pytest.fixture(scope="module")
def portrait(photo: Path) -> np.ndarray:
    return read_image(photo)


def plain(level: int) -> np.ndarray:
    return np.full((80, 50, 3), level, np.uint8)


def hand_made(height: float) -> Blend:
    """The left half of the box is masked; columns 20 to 23 lead from the mask's height down to 0."""
    mask = np.zeros((80, 50), np.float32)
    mask[20:60, 10:20] = height
    mask[20:60, 20:24] = height * np.array([0.9, 0.6, 0.4, 0.1])
    fake = plain(100)
    fake[mask > 0] = (110, 100, 85)
    return Blend(fake, plain(100), mask)


@pytest.mark.parametrize("height", [0.25, 1.0])
def test_a_blend_made_by_hand(height: float) -> None:
    blend = hand_made(height)
    found = traces(plain(96), BOX, blend)
    assert found.area == 12 / 20  # ten columns of the plateau and two of the slope
    assert found.strength == height
    assert found.seam == pytest.approx(1.0, abs=1e-6)  # the mask's upper edge is hard
    assert found.inside == pytest.approx((10 + 0 + 15) / 3)
    assert found.colour == pytest.approx((10 + 0 + 15) / 3)
    assert found.outside == 0
    assert found.around == 4


def test_detail_is_that_of_the_fake_over_that_of_the_real_under_the_mask() -> None:
    """A pattern of every other pixel, twice as high in the fake: four times the energy, the same colour."""
    rows, columns = np.indices((80, 50))
    pattern = np.where((rows + columns) % 2 == 0, 1, -1)[:, :, None]
    mask = np.zeros((80, 50), np.float32)
    mask[20:60, 10:30] = 1
    real, fake = ((100 + height * pattern).repeat(3, axis=2).astype(np.uint8) for height in (5, 10))
    found = traces(real, BOX, Blend(fake, real, mask))
    assert found.detail == pytest.approx(4)
    assert found.colour == pytest.approx(0, abs=1e-9)
    assert found.inside == 5


def test_the_seam_is_the_steepest_step_in_either_direction() -> None:
    steps = np.array([0, 0.1, 0.3, 0.5, 0.5, 0.4, 0], np.float32)
    picture = np.zeros((7, 9, 3), np.uint8)
    for mask in (np.tile(steps[:, None], 9), np.tile(steps[:, None], 9)[::-1], np.tile(steps, (7, 1))):
        shown = np.zeros((*mask.shape, 3), np.uint8)
        found = traces(shown, (0, 0, 9, 7), Blend(shown, shown, mask))
        assert found.seam == pytest.approx(0.4 / 0.5)
    assert traces(picture, (0, 0, 9, 7), Blend(picture, picture, np.ones((7, 9), np.float32))).seam == 0


def test_what_is_changed_outside_is_told() -> None:
    blend = hand_made(1.0)
    blend.fake[:20] += 6
    assert traces(plain(100), BOX, blend).outside == pytest.approx(6 * 20 * 50 / (80 * 50 - 40 * 14))


def test_a_box_is_cut_to_the_picture() -> None:
    blend = hand_made(1.0)
    assert traces(plain(100), (-20.0, 20.0, 40.0, 40.0), blend).area == 10 / 20
    assert traces(plain(100), (200.0, 20.0, 40.0, 40.0), blend).area == 0


def test_without_a_mask_there_is_nothing_inside() -> None:
    blend = Blend(plain(100), plain(100), np.zeros((80, 50), np.float32))
    assert traces(plain(97), BOX, blend) == Traces(0, 0, 0, 0, 0, 0, 0, around=3)


def test_every_statistic_has_a_meaning() -> None:
    assert tuple(MEANINGS) == Traces._fields


class TestBlendsOfAPortrait:
    """Over 60 seeds of the demo's photo; what is stated beside the blends holds for their statistics."""

    BOX = (179.0, 63.0, 87.0, 109.0)

    def found(self, portrait: np.ndarray, make) -> np.ndarray:
        rngs = (np.random.default_rng(seed) for seed in range(60))
        return np.array([traces(portrait, self.BOX, make(portrait, self.BOX, rng)) for rng in rngs]).T

    def test_self_blends(self, portrait: np.ndarray) -> None:
        area, strength, seam, inside, _, _, outside, around = self.found(
            portrait, lambda *given: self_blend(*given, joint=False)
        )
        assert 0.33 < np.median(area) < 0.47  # .403 over all, as the mask's own test says
        assert 0.2 < area.min() < area.max() < 0.69
        assert sorted(set(np.round(strength, 2))) == [0.25, 0.5, 0.75, 1.0]
        assert np.median(strength) >= 0.75
        # Edges are 5 to 25 pixels wide, of 192 to 256 over a window of 174 by 185.
        assert 0.04 < seam.min() < np.median(seam) < 0.2
        assert seam.max() < 0.4
        assert 4 < np.median(inside) < 25
        assert outside.max() == 0
        assert 0.25 < np.mean(around == 0) < 0.75  # the target is changed in half of the cases

    def test_digital_spoofs(self, portrait: np.ndarray) -> None:
        area, strength, seam, inside, _, _, outside, around = self.found(portrait, digital_spoof)
        assert np.mean(area) == pytest.approx(0.68, abs=0.04)
        assert set(np.round(strength, 2)) == {0.25, 0.5, 0.75, 1.0}
        # Two Gaussian kernels, 3 and 5 wide with sigma 3, let an edge rise by .215 a pixel of the grid.
        steepest = 0.215 * 224 / (2 * self.BOX[2])
        assert 0.8 * steepest < seam.min() < seam.max() < 1.05 * steepest
        assert 2 < np.median(inside) < 30
        assert outside.max() == 0
        assert 0.25 < np.mean(around == 0) < 0.8
