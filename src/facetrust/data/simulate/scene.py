"""Where a print or a screen is seen: light and reflections on it, what holds it, what lies around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging import Pixels
from facetrust.records import Box

Plane = NDArray[np.float32]
CLEAR = 1.6  # Sides of the face: a square around it that the medium always fills.


def around(image: Pixels, rng: np.random.Generator, background: Pixels | None) -> Plane:
    """Returns a scene (H, W, 3), 0 to 1, of the picture's size: a part of another, sharp or out of focus."""
    height, width = image.shape[:2]
    source = image[:, ::-1] if background is None else background
    part = rng.uniform(0.3, 1.0)
    tall, wide = (max(8, round(side * part)) for side in source.shape[:2])
    top = int(rng.integers(source.shape[0] - tall + 1)) if source.shape[0] > tall else 0
    left = int(rng.integers(source.shape[1] - wide + 1)) if source.shape[1] > wide else 0
    cut = np.ascontiguousarray(source[top : top + tall, left : left + wide])
    scene = np.asarray(cv2.resize(cut, (width, height)), np.uint8)
    if rng.random() < 0.5:
        scene = _soft(scene, rng.uniform(0.005, 0.1) * width)
    return np.asarray(scene * np.float32(rng.uniform(0.5, 1.3) / 255), dtype=np.float32)


def reflecting(medium: Plane, scene: Plane, rng: np.random.Generator) -> Plane:
    """Returns a medium behind glass (H, W, 3): the room in front of it, out of focus, or a lamp."""
    height, width = medium.shape[:2]
    if rng.random() < 0.5:
        room = cv2.resize(scene, (32, 32), interpolation=cv2.INTER_AREA)
        room = cv2.resize(room[:, ::-1], (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(medium + np.float32(rng.uniform(0.05, 0.3)) * room, dtype=np.float32)
    x = np.linspace(0, 1, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    (right, down), spread = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.4, 2).astype(np.float32)
    power = 2 if rng.random() < 0.5 else 6  # a round lamp or a window
    distance = np.abs((x - np.float32(right)) / spread[0]) ** power
    distance = distance + np.abs((y - np.float32(down)) / spread[1]) ** power
    lamp = np.float32(rng.uniform(0.05, 0.5)) * np.exp(-distance)
    colour = (1 + rng.normal(0, 0.03, 3)).astype(np.float32)
    return np.asarray(medium + lamp[:, :, None] * colour, dtype=np.float32)


def held(medium: Plane, scene: Plane, box: Box, rng: np.random.Generator, *, bezel: bool) -> Plane:
    """Returns the medium in its scene (H, W, 3): it ends past the face, framed or not, perhaps in a hand.

    Neither edge nor hand comes into the square of 1.6 face sides.
    """
    x, y, w, h = box
    side = max(w, h)
    centre, reach = np.array([x + w / 2, y + h / 2]), side * (CLEAR / 2 + 0.08 + rng.uniform(0, 0.8, 4))
    corners = centre + np.array(
        [[-reach[0], -reach[2]], [reach[1], -reach[2]], [reach[1], reach[3]], [-reach[0], reach[3]]]
    )
    corners += rng.uniform(-0.08, 0.08, (4, 2)) * side
    border = rng.uniform(0.02, 0.2) * side if bezel or rng.random() < 0.3 else 0.0
    if border:
        outer = corners + border * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        tone = rng.uniform(0.0, 0.15) if bezel and rng.random() < 0.8 else rng.uniform(0.75, 1.0)
        scene = scene + _area(medium.shape, outer) * (np.float32(tone) - scene)
    scene = scene + _area(medium.shape, corners) * (medium - scene)
    return _fingers(scene, corners, centre, side, rng) if rng.random() < 0.35 else scene


def _area(shape: tuple[int, ...], corners: NDArray[np.float64]) -> Plane:
    """Returns (H, W, 1), 1 inside the four corners and 0 outside, smooth at the edge."""
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillConvexPoly(mask, np.round(corners * 16).astype(np.int32), 1.0, lineType=cv2.LINE_AA, shift=4)
    return mask[:, :, None]


def _fingers(
    scene: Plane,
    corners: NDArray[np.float64],
    centre: NDArray[np.float64],
    side: float,
    rng: np.random.Generator,
) -> Plane:
    """One to four fingertips over the left, right or lower edge of the medium."""
    skin = np.array([0.85, 0.65, 0.52], np.float32) * np.float32(rng.uniform(0.35, 1.1))
    first, second = ((3, 0), (1, 2), (2, 3))[int(rng.integers(3))]
    start, along = corners[first], corners[second] - corners[first]
    inward = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1.0)
    mask, at = np.zeros(scene.shape[:2], np.float32), rng.uniform(0.1, 0.7)
    for number in range(int(rng.integers(1, 5))):
        length, width = rng.uniform(0.12, 0.3) * side, rng.uniform(0.05, 0.09) * side
        tip = start + along * (at + 0.1 * number) + inward * rng.uniform(0.0, 0.12) * side
        angle = float(np.degrees(np.arctan2(inward[1], inward[0])) + rng.normal(0, 10))
        middle = tuple(round(value) for value in tip - inward * length)
        cv2.ellipse(mask, middle, (round(length), max(1, round(width))), angle, 0, 360, 1.0, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.01 * side)), np.float32)
    left, top = (max(0, round(value)) for value in centre - side * CLEAR / 2)
    right, bottom = (max(0, round(value)) for value in centre + side * CLEAR / 2)
    mask[top:bottom, left:right] = 0
    return np.asarray(scene + mask[:, :, None] * (skin - scene), dtype=np.float32)


def _soft(image: Pixels, sigma: float) -> Pixels:
    """A wide blur, made at a size where it is narrow."""
    factor = max(1.0, sigma / 2)
    size = image.shape[1::-1]
    small = cv2.resize(image, [max(4, round(side / factor)) for side in size], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / factor), size), dtype=np.uint8)
