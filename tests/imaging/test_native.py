"""Native windows: where they lie, and that no pixel of them is resampled."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.imaging.crop import crops_of, native, spread, window_of
from facetrust.records import Preprocessing

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
WHOLE = (0.0, 0.0, 60.0, 40.0)


def test_four_windows_cover_a_box_of_twice_their_sides():
    how = Preprocessing(align="native", margins=(1.0,) * 4, size=(20, 30))
    crops = crops_of(IMAGE, WHOLE, how)
    assert np.array_equal(np.vstack([np.hstack(crops[:2]), np.hstack(crops[2:])]), IMAGE)


@pytest.mark.parametrize(
    ("count", "places"),
    [
        (1, [(0.5, 0.5)]),
        (2, [(0.25, 0.25), (0.75, 0.25)]),
        (4, [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]),
    ],
)
def test_windows_are_spread_over_a_grid(count, places):
    assert spread(count) == places


def test_a_window_stays_inside():
    assert np.array_equal(native(IMAGE, WHOLE, (16, 16), place=(1.0, 0.0)), IMAGE[:16, -16:])
    assert np.array_equal(
        native(IMAGE, (30.0, 20.0, 10.0, 10.0), (8, 8), place=(0.5, 0.5)), IMAGE[21:29, 31:39]
    )


def test_a_smaller_picture_is_enlarged_and_one_channel_kept():
    made = native(np.full((10, 20, 1), 7, np.uint8), (0.0, 0.0, 20.0, 10.0), (30, 30), place=(0.5, 0.5))
    assert made.shape == (30, 30, 1)
    assert set(made.ravel().tolist()) == {7}


def test_a_window_is_known_in_pixels_of_the_picture():
    how = Preprocessing(align="native", margins=(1.0,) * 4, size=(20, 30))
    for crop, cut in enumerate(crops_of(IMAGE, WHOLE, how)):
        x, y, w, h = (int(side) for side in window_of(IMAGE.shape, WHOLE, how, crop=crop))
        assert np.array_equal(IMAGE[y : y + h, x : x + w], cut)
    larger = how.model_copy(update={"size": (80, 80), "margins": (1.0,)})
    assert window_of(IMAGE.shape, WHOLE, larger) == (10.0, 0.0, 40.0, 40.0)
