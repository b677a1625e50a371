"""Measures of a face: closed forms, planted facts, and what each must not depend on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.imaging.pose import face_model
from facetrust.imaging.quality import (
    chroma,
    framed,
    median_quality,
    quality_of,
    shading,
    sharpness,
    tones,
)

FACE = (178.0, 62.0, 88.0, 112.0)  # Of the portrait.
RAMP = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(64, axis=0)


def crop_of(portrait):
    return portrait[62:174, 178:266]


@pytest.mark.parametrize("period", [4, 8, 16])
def test_sharpness_of_a_wave_is_the_square_of_the_laplacians_factor(period):
    wave = 128 + 50 * np.cos(2 * np.pi * np.arange(66) / period)[None].repeat(66, axis=0)
    expected = (2 - 2 * np.cos(2 * np.pi / period)) ** 2
    assert sharpness(wave) == pytest.approx(expected, rel=0.03)


def test_sharpness_knows_no_contrast_and_falls_with_blur(portrait):
    grey = cv2.cvtColor(crop_of(portrait), cv2.COLOR_RGB2GRAY).astype(float)
    assert sharpness(128 + 0.3 * (grey - 128)) == pytest.approx(sharpness(grey), rel=1e-6)
    blurred = [sharpness(cv2.GaussianBlur(grey, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4)]
    assert [sharpness(grey), *blurred] == sorted([sharpness(grey), *blurred], reverse=True)
    assert sharpness(np.full((64, 64), 7.0)) == 0


def test_shading_of_a_slope_is_1_and_of_even_areas_0():
    assert shading(RAMP[:, :, 0].astype(float)) == pytest.approx(1)
    disc = cv2.circle(np.zeros((64, 64)), (32, 32), 20, 255, -1)
    assert shading(disc) == 0
    assert shading(np.zeros((64, 64))) == 0


def test_tones_of_a_ramp_are_all_and_of_levels_their_share():
    assert tones(RAMP) == pytest.approx(1, abs=0.01)
    for step in (4, 8, 16):  # So near each other that they are smoothed into a scale without gaps.
        assert tones(RAMP // step * step + 12) == pytest.approx(1 / step, rel=0.2)
    assert tones(np.where(RAMP > 128, 255, 0).astype(np.uint8)) == 0


def test_chroma_of_planted_colours():
    """Of the cells of each lightness half are 6 redder, half 6 greener, which lightness does not explain."""
    rows, columns = np.indices((64, 64)) // 8
    lab = np.zeros((64, 64, 3), np.float32)
    lab[:, :, 0] = 43 + 2 * rows
    lab[:, :, 1] = np.where((rows + columns) % 2, 6, -6)
    pixels = np.round(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255).astype(np.uint8)
    assert chroma(pixels) == pytest.approx(6, rel=0.15)


def test_chroma_of_grey_is_nothing_however_it_is_tinted(portrait):
    grey = np.repeat(cv2.cvtColor(crop_of(portrait), cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    assert chroma(grey) < 0.05
    for tint in ((1, 0.95, 0.85), (0.9, 0.7, 1), (0.3, 0.3, 0.8)):
        assert chroma((grey * tint).astype(np.uint8)) < 0.4
    assert chroma(crop_of(portrait)) > 2.5


def test_chroma_knows_no_exposure(portrait):
    face = crop_of(portrait)
    assert chroma((face * 0.2).astype(np.uint8)) == pytest.approx(chroma(face), rel=0.1)


def test_exposure_is_what_was_planted():
    image = np.full((40, 40, 3), 100, np.uint8)
    image[:10], image[10:14] = 255, 3
    found = quality_of(image, (0.0, 0.0, 40.0, 40.0))
    assert (found.bright, found.dark) == (0.25, 0.1)
    assert found.luminance == pytest.approx((0.25 * 255 + 0.1 * 3 + 0.65 * 100) / 255, abs=0.01)


def test_pixels_that_only_repeat_their_neighbour_do_not_count(portrait):
    face = crop_of(portrait)
    for times in (2, 4):
        large = face.repeat(times, axis=0).repeat(times, axis=1)
        assert quality_of(large, (0.0, 0.0, 88.0 * times, 112.0 * times)).size == pytest.approx(88)
    assert quality_of(np.full((50, 40, 3), 9, np.uint8), (0.0, 0.0, 40.0, 50.0)).size == 40


def test_a_face_is_measured_inside_its_box_and_the_picture(portrait):
    assert quality_of(portrait, FACE).size == 88
    aside = portrait.copy()
    aside[:62], aside[:, :178] = 0, 255
    assert quality_of(aside, FACE) == quality_of(portrait, FACE)
    cut = portrait[62:174, 178:266]
    whole = quality_of(cut, (0.0, 0.0, 88.0, 112.0))
    outside = quality_of(cut, (-30.0, -40.0, 148.0, 192.0))
    assert outside == whole.model_copy(update={"size": 148.0, "room": 88 / 192})
    assert quality_of(cut, (500.0, 500.0, 20.0, 30.0)).size == 20


def test_the_pose_is_that_of_the_points_and_unknown_without(portrait):
    points = [tuple(map(float, each)) for each in face_model()[:, :2]]
    upright = quality_of(portrait, FACE, points)
    assert (upright.yaw, upright.pitch, upright.roll) == pytest.approx((0, 0, 0), abs=0.02)
    turned = [(-y, x) for x, y in points]  # By a quarter, clockwise.
    assert quality_of(portrait, FACE, turned).roll == pytest.approx(np.pi / 2, abs=0.02)
    alone = quality_of(portrait, FACE)
    assert (alone.yaw, alone.pitch, alone.roll) == (None, None, None)
    assert alone == upright.model_copy(update={"yaw": None, "pitch": None, "roll": None})
    assert median_quality([alone, upright]) == upright


@pytest.mark.parametrize(
    ("borders", "sides"), [((0, 0, 0, 0), 0), ((60, 60, 0, 0), 2), ((0, 0, 70, 70), 2), ((60, 20, 30, 40), 4)]
)
@pytest.mark.parametrize("level", [0, 240, 255])
def test_a_frame_is_counted_by_its_sides(portrait, borders, sides, level):
    top, _, left, _ = borders
    image = cv2.copyMakeBorder(portrait, *borders, cv2.BORDER_CONSTANT, value=(level,) * 3)
    x, y, w, h = FACE
    found = framed(np.asarray(image, np.uint8), (x + left, y + top, w, h))
    assert found <= sides
    assert found >= sides - (level == 0)  # The portrait's ground is dark in places.


def test_an_even_wall_behind_a_person_is_no_frame():
    image = np.full((300, 300, 3), 255, np.uint8)
    rng = np.random.default_rng(0)
    rows, columns = np.indices((300, 300))
    person = ((rows - 150) / 90) ** 2 + ((columns - 150) / 65) ** 2 < 1
    image[person] = rng.integers(60, 200, (int(person.sum()), 3))
    assert framed(image, (100.0, 85.0, 100.0, 130.0)) == 0


def test_the_median_of_a_track(portrait):
    dark, plain, small = (
        quality_of((portrait * 0.3).astype(np.uint8), FACE),
        quality_of(portrait, FACE),
        quality_of(portrait, (190.0, 80.0, 60.0, 70.0)),
    )
    found = median_quality([dark, plain, small])
    assert found.size == 88
    assert found.luminance == sorted(each.luminance for each in (dark, plain, small))[1]
    assert median_quality([plain]) == plain


def test_room_is_what_a_picture_leaves_around_the_face():
    """Short side of the picture over the box's long one, wherever the box lies."""
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    assert quality_of(image, (100.0, 60.0, 90.0, 120.0)).room == pytest.approx(2.0)
    assert quality_of(image, (0.0, 0.0, 120.0, 60.0)).room == pytest.approx(2.0)
    cut = np.ascontiguousarray(image[60:180, 100:190])
    assert quality_of(cut, (0.0, 0.0, 90.0, 120.0)).room == pytest.approx(0.75)
    assert quality_of(cut, (-5.0, -5.0, 100.0, 130.0)).room == pytest.approx(90 / 130)
