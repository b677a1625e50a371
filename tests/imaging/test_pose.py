"""Pose against planted rotations of a face of five points in space."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from facetrust.imaging.crop import TEMPLATE
from facetrust.imaging.pose import face_model, pose_of


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The rotation of Rodrigues about the camera's axes: first roll, then pitch, then yaw to the right."""
    turns = [(0.0, 0.0, roll), (pitch, 0.0, 0.0), (0.0, -yaw, 0.0)]
    first, second, third = (cv2.Rodrigues(np.array(each))[0] for each in turns)
    return third @ second @ first


def seen(model: np.ndarray, angles, *, scale: float = 1.0, distance: float | None = None) -> list:
    """Where a camera sees the points of a turned model (5, 3): far away, or at a distance in its units."""
    turned = model @ rotation(*angles).T
    nearness = 1.0 if distance is None else distance / (distance + turned[:, 2:])
    return [tuple(map(float, each)) for each in turned[:, :2] * nearness * scale + (200.0, 120.0)]


ANGLES = [
    (0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (-0.5, 0.0, 0.0), (0.0, 0.4, 0.0), (0.0, -0.4, 0.0), (0.0, 0.0, 0.9),
    (0.0, 0.0, -2.5), (1.2, 0.3, -0.4), (-1.4, -0.5, 0.7), (0.2, 1.0, 0.1), (0.7, -0.7, 0.7),
]  # fmt: skip


@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_planted_rotations_come_back_exactly(angles, scale):
    assert pose_of(seen(face_model(), angles, scale=scale)) == pytest.approx(angles, abs=1e-9)


@pytest.mark.parametrize("angles", [each for each in ANGLES if abs(each[0]) <= 0.8 and abs(each[1]) <= 0.8])
def test_a_camera_at_a_forearms_length_is_forgiven(angles):
    """At 40 cm, which is six distances between the eyes, and more."""
    near = pose_of(seen(face_model(), angles, distance=6.5))
    assert near == pytest.approx(angles, abs=math.radians(8))


def test_other_noses_change_yaw_and_pitch_a_little_and_roll_not_at_all():
    for factor in (0.8, 1.2):
        model = face_model() * (1, 1, factor)
        yaw, pitch, roll = pose_of(seen(model - model.mean(axis=0), (0.5, 0.0, 0.0)))
        assert yaw == pytest.approx(0.5, abs=0.1)
        assert (pitch, roll) == pytest.approx((0.0, 0.0), abs=1e-9)
        assert (yaw > 0.5) == (factor > 1)


def test_points_that_are_a_pixel_off_tell_the_angle_to_a_few_degrees():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        angles = rng.uniform(-0.6, 0.6, 3)
        points = np.array(seen(face_model(), angles, scale=35)) + rng.normal(size=(5, 2))
        errors.append(np.abs(np.subtract(pose_of(points), angles)))
    assert np.median(errors) < math.radians(4)
    assert np.percentile(errors, 95) < math.radians(12)


def test_the_template_of_aligned_faces_looks_into_the_camera():
    yaw, pitch, roll = pose_of(TEMPLATE)
    assert (yaw, roll) == pytest.approx((0, 0), abs=math.radians(1))
    assert pitch == pytest.approx(0, abs=math.radians(15))  # Its mouth lies lower than detectors see it.


def test_signs_are_those_of_the_picture():
    points = 35 * face_model()[:, :2]
    right, down = points.copy(), points.copy()
    right[2, 0] += 6  # The tip of the nose.
    down[2, 1] += 6
    assert pose_of(right).yaw > 0.1
    assert pose_of(down).pitch > 0.1
    turn = np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])  # Clockwise, y down.
    assert pose_of(points @ turn.T).roll == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    "points",
    [(), ((1.0, 1.0),) * 5, tuple((float(n), 2.0 * n) for n in range(5)), ((float("nan"), 0.0),) * 5],
    ids=["none", "one point", "a line", "no numbers"],
)
def test_points_that_cannot_tell_have_no_pose(points):
    assert pose_of(points) is None
