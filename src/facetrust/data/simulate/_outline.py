"""Where a face ends, guessed from five points or from its box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.records import Box, Point

Polygon = NDArray[np.float64]
Top = Literal["brows", "raised", "forehead"]

# Where a detector finds eyes, nose and mouth corners of an upright face, in sides of its box.
_USUAL = np.array([(0.29, 0.42), (0.71, 0.42), (0.5, 0.62), (0.32, 0.8), (0.68, 0.8)])
_REACH = 0.08  # no outline leaves the box by more, in sides of the box
_CORNERS = 64
# How far above the eyes an outline ends, in distances from eyes to mouth: just above the brows, or by half of
# the distance from eyes to brows higher.
_TOPS: dict[Top, float] = {"brows": 0.35, "raised": 0.5, "forehead": np.inf}


def five_points(box: Box, points: Sequence[Point] | None = None) -> NDArray[np.float64]:
    """Returns eyes, nose and mouth corners, (5, 2) x, y in pixels; where none are known, those that an
    upright face usually has in such a box."""
    x, y, w, h = box
    return np.array([x, y]) + _USUAL * (w, h) if points is None else np.asarray(points, np.float64)


def outline(box: Box, points: Sequence[Point] | None = None, *, top: Top = "forehead") -> Polygon:
    """Returns a convex outline of the face, (64, 2) float64 x, y in pixels.

    Two half ellipses share their widest line: the jaw below it, the forehead above. Their axes are
    multiples of the distances between the eyes and from eyes to mouth, with an adult's usual
    proportions; a nose beside the middle shifts the outline to the other side, as a turned head does.

    Args:
        box: x, y, w, h of the face; alone it gives the points of an upright, frontal face.
        points: eyes, nose and mouth corners, the one further left in the picture first.
        top: where the outline ends: just above the brows, a little higher, or with the forehead.
    """
    at = five_points(box, points)
    eyes, mouth = at[:2].mean(0), at[3:5].mean(0)
    across, down = at[1] - at[0], mouth - eyes
    apart, length = float(np.hypot(*across)), max(float(np.hypot(*down)), 1e-6)
    down = down / length
    across = np.array([down[1], -down[0]])  # a right angle, even where a turned head shears the points
    wide = max(1.1 * apart, 0.9 * length)
    turned = float(np.clip((at[2] - eyes) @ across, -0.4 * wide, 0.4 * wide))
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    side, drop = wide * np.cos(angle) - turned, np.sin(angle)
    drop = np.where(drop > 0, 1.3, 1.2) * length * drop + 0.2 * length
    drop = np.maximum(drop, -_TOPS[top] * length)
    return _inside(eyes + side[:, None] * across + drop[:, None] * down, box)


def faces(
    box: Box, points: Sequence[Point] | None, region: NDArray[np.bool_] | None, *, top: Top = "forehead"
) -> list[Polygon]:
    """Returns the edges of what a mask must cover: of a region (H, W), or the outline if none is given."""
    if region is None:
        return [outline(box, points, top=top)]
    found, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [_inside(np.asarray(edge, np.float64).reshape(-1, 2), box) for edge in found]


def _inside(corners: Polygon, box: Box) -> Polygon:
    """Returns the corners, those far outside the box moved to it."""
    x, y, w, h = box
    low = (x - _REACH * w, y - _REACH * h)
    return np.clip(corners, low, (x + (1 + _REACH) * w, y + (1 + _REACH) * h))
