"""Whether a face in two frames looks the same, so that a cut to another scene or person ends its track."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging import Pixels
from facetrust.records import Box

_SIDE = 32  # Pixels of both thumbnails.
_BINS = (8, 4, 4)  # Of hue, saturation and value.

# Chosen by benchmarks/track_cuts.py; see docs/video.md.
_COLOURS = 0.75  # Another scene shares less than this of its colours,
_LEVELS = 15.0  # and differs by more than this many levels per pixel at equal brightness.
_RESEMBLANCE = 0.3  # Correlation of grey levels below which a face is another.


class Appearance(NamedTuple):
    """What is kept of a face and its frame: two thumbnails, and the frame's share of each colour.

    `scene` is (32, 32, 3) uint8 RGB of the whole frame, `colours` (128,) in [0, 1], and `face` (32, 32)
    grey levels about their mean, of unit norm, or all zero where the face is even.
    """

    scene: Pixels
    colours: NDArray[np.float64]
    face: NDArray[np.float64]


def appearances(image: Pixels, boxes: Sequence[Box]) -> list[Appearance]:
    """Returns the appearance of each face of a frame (H, W, 3) uint8 RGB; boxes may reach outside it."""
    if not boxes:
        return []
    scene = _thumbnail(image)
    hsv = cv2.cvtColor(scene, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(_BINS), [0, 180, 0, 256, 0, 256])
    colours = np.asarray(counts, np.float64).ravel() / (_SIDE * _SIDE)
    return [Appearance(scene, colours, _grey_face(image, box)) for box in boxes]


def is_another(before: Appearance, now: Appearance) -> bool:
    """Returns whether two appearances are of other scenes or other faces."""
    return scene_changes(before, now) or face_changes(before, now)


def scene_changes(before: Appearance, now: Appearance) -> bool:
    """Returns whether two frames share few colours and differ from pixel to pixel at equal brightness.

    A pan moves the pixels and other light the colours; a cut does both.
    """
    shared = float(np.minimum(before.colours, now.colours).sum())
    one, other = before.scene.astype(np.float64), now.scene.astype(np.float64)
    brighter = (one.mean() + 1) / (other.mean() + 1)
    apart = float(np.abs(one - np.clip(other * brighter, 0, 255)).mean())
    return shared < _COLOURS and apart > _LEVELS


def face_changes(before: Appearance, now: Appearance) -> bool:
    """Returns whether the face no longer resembles itself."""
    return resemblance(before, now) < _RESEMBLANCE


def resemblance(before: Appearance, now: Appearance) -> float:
    """Returns the correlation of two faces' grey levels in [-1, 1]; 1 where one of them is even."""
    if not (before.face.any() and now.face.any()):
        return 1.0
    return float((before.face * now.face).sum())


def _grey_face(image: Pixels, box: Box) -> NDArray[np.float64]:
    """The grey levels inside a box, as far as it lies in the frame."""
    height, width = image.shape[:2]
    x, y, w, h = box
    left, top = (min(max(0, int(at)), side - 1) for at, side in ((x, width), (y, height)))
    right, bottom = min(width, max(left + 1, round(x + w))), min(height, max(top + 1, round(y + h)))
    thumbnail = _thumbnail(image[top:bottom, left:right])
    levels = np.asarray(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY), np.float64)
    levels -= levels.mean()
    norm = float(np.linalg.norm(levels))
    # An even face has noise alone, of less than one level, and nothing to be known by.
    return levels / norm if norm > _SIDE else np.zeros_like(levels)


def _thumbnail(image: Pixels) -> Pixels:
    return np.asarray(cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
