"""How a face is turned, from its five points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.records import Point

# In distances between the eyes, from the middle between them: x to the picture's right, y down, z away from
# the camera. x and y lie between what MTCNN and YuNet see of CFP's frontal faces (benchmarks/face_pose.py), a
# tenth apart; z is that of MediaPipe's canonical face model.
_MODEL = (
    (-0.5, 0.0, 0.0),
    (0.5, 0.0, 0.0),
    (0.0, 0.55, -0.6),
    (-0.45, 0.94, -0.1),
    (0.45, 0.94, -0.1),
)


class Pose(NamedTuple):
    """Angles in radians, 0 of a face that looks straight into the camera.

    yaw: above 0 where it looks to the picture's right, in [-pi, pi]. pitch: above 0 where it looks down, in
    [-pi/2, pi/2]. roll: above 0 where its crown leans to the picture's right, in [-pi, pi].
    """

    yaw: float
    pitch: float
    roll: float


def face_model() -> NDArray[np.float64]:
    """Returns the five points of a face (5, 3) about their mean, in distances between the eyes.

    x points to the picture's right, y down, z away from the camera.
    """
    model = np.asarray(_MODEL)
    return np.asarray(model - model.mean(axis=0))


def pose_of(points: Sequence[Point]) -> Pose | None:
    """Returns how a face is turned, or None where its five points cannot tell.

    The scaled orthographic view of the model that is nearest to the points, by least squares (the first step
    of POSIT, DeMenthon and Davis 1995), made a rotation. Noses and detectors differ: pitch is known to about
    0.2, yaw better, though of a profile, where one eye is guessed, it comes out at half; roll is exact.

    Args:
        points: the eyes (the one on the picture's left first), the tip of the nose, the corners of the mouth.
    """
    seen = np.asarray(points, dtype=np.float64)
    if len(points) != len(_MODEL) or not np.isfinite(seen).all():
        return None
    view = (seen - seen.mean(axis=0)).T @ np.linalg.pinv(face_model()).T
    left, scales, right = np.linalg.svd(view, full_matrices=False)
    if scales[1] <= 1e-6 * max(1.0, float(scales[0])):
        return None
    # The rows of Ry(-yaw) Rx(pitch) Rz(roll); the third points away from the camera.
    across, down = left @ right
    away = np.cross(across, down)
    return Pose(
        yaw=math.atan2(-across[2], away[2]),
        pitch=math.asin(max(-1.0, min(1.0, -float(down[2])))),
        roll=math.atan2(down[0], down[1]),
    )
