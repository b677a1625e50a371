from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.simulate.prints import bent, blue_noise, dithered, halftone, printed

BOX = (40.0, 30.0, 60.0, 80.0)


def grey(level: float, size: int = 128) -> np.ndarray:
    return np.full((size, size, 3), level, np.float32)


def test_thresholds_of_blue_noise_are_spread_evenly_and_hold_little_that_is_smooth() -> None:
    mask = blue_noise()
    assert np.allclose(np.sort(mask.ravel()), (np.arange(4096) + 0.5) / 4096)
    power = np.abs(np.fft.fft2(mask - mask.mean())) ** 2
    far = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    assert power[(far > 0) & (far < 0.1)].mean() < 0.02 * power[far > 0.3].mean()


def test_dots_keep_the_tone() -> None:
    for level in (0.2, 0.5, 0.8):
        for seed in range(5):
            made = dithered(grey(level), np.random.default_rng(seed))
            assert made.mean() == pytest.approx(level, abs=0.02)
            assert made.std() > 0.005


def test_a_screen_of_dots_has_a_period_and_an_angle_of_each_inks_own() -> None:
    """The strongest wave of each channel is 1.8 to 6 pixels long over the root of two, and turned."""
    for seed in range(5):
        made = halftone(grey(0.5), np.random.default_rng(seed))
        found = []
        for channel in range(3):
            plane = made[:, :, channel] - made[:, :, channel].mean()
            row, column = np.unravel_index(np.abs(np.fft.rfft2(plane)).argmax(), (128, 65))
            found.append((np.fft.fftfreq(128)[row], column / 128))
        sizes = [np.hypot(*wave) for wave in found]
        assert max(sizes) == pytest.approx(min(sizes), abs=0.03) or max(sizes) > 0.45  # or beyond the grid
        assert len({(round(down, 2), round(across, 2)) for down, across in found}) == 3


def test_a_darker_ink_has_wider_dots() -> None:
    levels = [halftone(grey(level), np.random.default_rng(1)).mean() for level in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert levels == sorted(levels)


def test_a_bent_sheet_keeps_the_middle_of_the_face_and_narrows_beside_it() -> None:
    lines = np.zeros((160, 140, 3), np.float32)
    lines[:, ::10] = 1
    narrowed = []
    for seed in range(30):
        sheet = bent(lines, BOX, np.random.default_rng(seed))
        assert sheet.shape == lines.shape
        light = cv2.blur(lines, (3, 3))[70, 70, 0]
        assert cv2.blur(sheet, (3, 3))[70, 70, 0] == pytest.approx(light, abs=0.05)
        row = sheet[70, 70:130, 0]
        narrowed.append(float(np.flatnonzero(row > 0.2)[-1]))
    assert min(narrowed) < 55  # a line of the flat sheet lies 50 pixels beside the middle


def test_a_print_lifts_black_and_keeps_the_picture() -> None:
    slope = np.tile(np.linspace(0.0, 1.0, 90, dtype=np.float32)[:, None, None], (1, 90, 3))
    for seed in range(12):
        made = printed(slope, np.random.default_rng(seed))
        assert np.corrcoef(made.mean(2).ravel(), slope.mean(2).ravel())[0, 1] > 0.8
        assert made[:4].mean() > 0.0
        assert made[-4:].mean() < 1.08
