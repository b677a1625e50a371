from __future__ import annotations

import numpy as np
import pytest

from facetrust.data.simulate.screens import LAYOUTS, displayed, moire, on_sensor, subpixels


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_shows_every_colour_in_strips_with_gaps(layout: str) -> None:
    drawn = subpixels(layout)
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn.mean((0, 1)).min() > 0.1
    assert drawn[0].max() == drawn[:, 0].max() == 0


def test_strips_stand_in_the_order_of_the_layouts_name() -> None:
    rgb, bgr = (subpixels(name)[6].argmax(1)[[2, 6, 10]].tolist() for name in ("RGB", "BGR"))
    assert (rgb, bgr) == ([0, 1, 2], [2, 1, 0])
    green = {name: subpixels(name)[:, :, 1].mean() for name in LAYOUTS}
    assert green["RGBG"] == pytest.approx(green["RGBW"])  # white is green too
    assert subpixels("RGBG")[:, :, 0].mean() == pytest.approx(green["RGBG"] / 2)


@pytest.mark.parametrize("pitch", [0.8, 1.1, 1.35])
def test_a_pattern_that_is_too_fine_beats_with_the_sensors_grid(pitch: float) -> None:
    """Stripes of `pitch` cycles a pixel show as those of their distance to a whole number."""
    line = on_sensor("RGB", (8, 400), pitch=pitch)[4, :, 1]
    found = np.abs(np.fft.rfft(line - line.mean())).argmax() / 400
    assert found == pytest.approx(abs(pitch - round(pitch)), abs=0.003)


def test_the_aperture_leaves_less_of_a_finer_display() -> None:
    """As the mean over a square does: sin(pi a p) / (pi a p) at p cycles a pixel and an aperture of a."""
    spread = [on_sensor("RGB", (240, 240), pitch=pitch)[:, :, 1].std() for pitch in (0.35, 0.9, 1.9)]
    assert spread[0] > 3 * spread[1] > 3 * spread[2]


def test_moire_is_a_factor_around_one_of_a_drawn_strength() -> None:
    patterns = [moire((96, 80), np.random.default_rng(seed)) for seed in range(40)]
    assert all(pattern.shape == (96, 80, 3) for pattern in patterns)
    assert np.allclose([pattern.mean((0, 1)) for pattern in patterns], 1, atol=1e-3)
    spread = np.array([pattern.std((0, 1)).max() for pattern in patterns])
    assert spread.max() <= 0.151
    assert np.mean(spread >= 0.0099) > 0.8  # the rest has next to no pattern to be made stronger
    assert np.quantile(spread, 0.9) > 3 * np.quantile(spread, 0.2)


def test_a_display_keeps_the_picture() -> None:
    slope = np.tile(np.linspace(0.1, 0.9, 90, dtype=np.float32)[:, None, None], (1, 90, 3))
    for seed in range(10):
        shown = displayed(slope, np.random.default_rng(seed))
        assert shown.dtype == np.float32
        assert np.corrcoef(shown.mean(2).ravel(), slope.mean(2).ravel())[0, 1] > 0.9
