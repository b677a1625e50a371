from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.augment import camera as augment
from facetrust.imaging.crop import TEMPLATE


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def test_degrade_keeps_shape_and_repeats_under_a_seed(photo: np.ndarray) -> None:
    for seed in range(25):
        first, again = (augment.degrade(photo, np.random.default_rng(seed)) for _ in range(2))
        assert first.shape == photo.shape
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)


def test_degrade_at_no_strength_leaves_the_picture(photo: np.ndarray) -> None:
    assert np.array_equal(augment.degrade(photo, np.random.default_rng(1), strength=0.0), photo)


@pytest.mark.parametrize("step", ["_light", "_tint", "_lens", "_sensor", "_shrink", "_code"])
def test_each_step_changes_a_picture_but_not_beyond_recognition(step: str) -> None:
    y, x = np.mgrid[0:96, 0:96]
    photo = np.stack([x * 2 + 30, y * 2 + 30, 200 - x], axis=2).astype(np.uint8)
    photo[30:60, 30:60] = (220, 180, 150)
    changed = [getattr(augment, step)(photo, np.random.default_rng(seed), 1.0) for seed in range(8)]
    assert any(not np.array_equal(photo, other) for other in changed)
    for other in changed:
        assert np.corrcoef(photo.ravel(), other.ravel())[0, 1] > 0.8


def test_tint_and_noise_are_their_formulas_to_the_bit(photo: np.ndarray) -> None:
    """In float32, one operation after the other, cut to whole levels."""
    for seed in range(12):
        drawn = np.random.default_rng(seed)
        saturation = np.float32(np.exp(drawn.uniform(-0.5, 0.35)))
        white = np.exp(drawn.normal(0, 0.05, 3)).astype(np.float32)
        grey = (photo @ np.array([0.299, 0.587, 0.114], np.float32))[:, :, None]
        wanted = np.clip((grey + saturation * (photo - grey)) * white, 0, 255).astype(np.uint8)
        assert np.array_equal(augment._tint(photo, np.random.default_rng(seed), 1.0), wanted)
        drawn = np.random.default_rng(seed)
        noise = drawn.standard_normal(photo.shape, dtype=np.float32)
        if drawn.random() < 0.5:
            noise = cv2.GaussianBlur(noise, (0, 0), 0.8) * 2.0
        wanted = np.clip(photo + noise * np.float32(drawn.uniform(1, 9)), 0, 255).astype(np.uint8)
        assert np.array_equal(augment._sensor(photo, np.random.default_rng(seed), 1.0), wanted)


def test_mirroring_is_reading_from_right_to_left(photo: np.ndarray) -> None:
    for picture in (photo, photo[5:50, 7:60], np.dstack((photo, photo[:, :, :1])), photo[:, :, :1]):
        assert np.array_equal(augment.mirror(picture, (0, 0, 1, 1))[0], picture[:, ::-1])


def test_mirroring_twice_gives_picture_and_box_back(photo: np.ndarray) -> None:
    box = (10.0, 20.0, 30.0, 40.0)
    flipped, moved = augment.mirror(photo, box)
    assert moved == (80.0, 20.0, 30.0, 40.0)
    assert np.array_equal(flipped[25, 85], photo[25, 34])
    back, home = augment.mirror(flipped, moved)
    assert np.array_equal(back, photo)
    assert home == box


def test_a_tight_crop_shows_the_same_pixels_under_the_box(photo: np.ndarray) -> None:
    box = (30.0, 25.0, 40.0, 45.0)
    for seed in range(20):
        crop, (x, y, w, h) = augment.tighten(photo, box, np.random.default_rng(seed))
        assert (w, h) == box[2:]
        assert crop.shape[0] <= 45 * 1.75
        assert np.array_equal(crop[int(y) : int(y + h), int(x) : int(x + w)], photo[25:70, 30:70])


def test_a_face_outside_the_picture_is_left_alone(photo: np.ndarray) -> None:
    crop, box = augment.tighten(photo, (-500.0, -500.0, 20.0, 20.0), np.random.default_rng(0))
    assert crop is photo
    assert box[0] == -500.0


def test_a_jittered_box_stays_near_on_average() -> None:
    box = (100.0, 80.0, 60.0, 80.0)
    boxes = np.array([augment.jitter(box, np.random.default_rng(seed)) for seed in range(400)])
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    assert np.allclose(centres.mean(0), (130, 120), atol=1.5)
    assert np.abs(centres - (130, 120)).max() <= 0.081 * 80 + 1e-9
    assert 0.8 < (boxes[:, 2] / 60).min() < (boxes[:, 2] / 60).max() < 1.25


def test_a_turned_picture_and_its_points_agree(photo: np.ndarray) -> None:
    dot = np.zeros((90, 120, 4), np.uint8)
    dot[30:33, 70:73] = (200, 100, 50, 7)
    box = (40.0, 20.0, 40.0, 40.0)
    for degrees in (-25.0, 10.0, 90.0):
        turned, same, points = augment.tilt(dot, box, [(71.0, 31.0)], degrees)
        assert same == box
        y, x = np.argwhere(turned[:, :, 0] > 100).mean(0)
        assert points is not None
        assert (x, y) == pytest.approx(points[0], abs=0.35)
        assert set(np.unique(turned[:, :, 3])) == {0, 7}
    assert np.array_equal(augment.tilt(photo, box, None, 0.0)[0], photo)
    # A quarter counterclockwise around the middle of the box, (59.5, 39.5) from pixel to pixel.
    assert augment.tilt(photo, box, [(69.5, 39.5)], 90.0)[2][0] == pytest.approx((59.5, 29.5))


def test_points_are_moved_a_little_and_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    places = np.array(TEMPLATE)
    moved = np.array([augment.jitter_points(TEMPLATE, rng) for _ in range(200)])
    off = np.linalg.norm(moved - places, axis=2)
    assert 1 < off.mean() < 4  # Of eyes that are 35 pixels apart.
    assert off.max() < 12
    assert (moved[:, 1, 0] > moved[:, 0, 0]).all()
    assert (moved[:, 3:, 1].min(1) > moved[:, :2, 1].max(1)).all()
    assert np.abs(moved.mean(0) - places).max() < 1
    assert augment.jitter_points(TEMPLATE, rng, strength=0) == [pytest.approx(point) for point in TEMPLATE]
