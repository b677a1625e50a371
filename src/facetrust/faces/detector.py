"""Finds faces as people hand pictures in: upright or turned, with room around the face or without."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from facetrust.imaging import Pixels, fit_within, quarter_turn
from facetrust.records import Box, Face, Point

_MANY = 640  # Pixels: a larger picture is shrunk to this longest side before detection.
_ENOUGH = 160  # Pixels: a smaller picture is enlarged before detection.
_LARGE = 1 / 10  # A sure face below this share of the picture's longest side does not end the search.
_TILT = math.radians(50)
_TURNED = 0.995  # Most pictures are upright, so a turned find must be better than its rival by this.
# Quarter turns and padding over the longest side, the likeliest first.
_ATTEMPTS = ((0, 0.0), (0, 0.5), (1, 0.0), (3, 0.0), (2, 0.0), (1, 0.5), (3, 0.5), (2, 0.5))
# Of grey, black, mirrored and repeated borders, grey loses the fewest faces cut at their very edge.
_GREY = (128, 128, 128)


class Detector(Protocol):
    """What finds faces: `detect` returns them, the most confident first.

    A confidence of `sure` is reached by an upright face and hardly ever by a turned one; below
    `likely`, most finds are no faces.
    """

    name: str
    sure: float
    likely: float

    def detect(self, image: Pixels) -> list[Face]:
        """Returns the faces in a picture (H, W, 3) uint8 RGB."""


class Finding(NamedTuple):
    """The picture turned upright (by `turns` quarters counter-clockwise) and the faces in its pixels."""

    image: Pixels
    turns: int
    faces: tuple[Face, ...]


def open_detector(path: str | Path | None = None, *, threads: int = 1) -> Detector:
    """Returns YuNet for its .onnx file, MTCNN without one.

    Raises:
        ModelError: the file is missing or not a YuNet, or MTCNN's weights are not installed.
    """
    if path is None:
        from facetrust.faces.mtcnn import Mtcnn

        return Mtcnn(threads=threads)
    from facetrust.faces.yunet import YuNet

    return YuNet(path)


def find_faces(image: Pixels, detector: Detector, *, search: bool = True, background: float = 0.3) -> Finding:
    """Returns the picture upright and its faces, the largest first.

    A sure, upright and not too small face ends the search. Failing that, the picture is padded, for
    a face that fills it, then turned by quarters, then both; the attempt with the best face is
    taken, so that a weak find never pre-empts a better one. Boxes are in pixels of the upright
    picture and may reach outside it.

    Args:
        image: (H, W, 3) uint8 RGB.
        search: whether to pad and turn at all.
        background: a face whose side is below this share of the largest one's is a passer-by and left out.
    """
    small, factor = fit_within(image, _MANY)
    best, value = Finding(small, 0, ()), 0.0
    for turns, pad in _ATTEMPTS if search else _ATTEMPTS[:1]:
        if value >= 1 or (turns and pad and value * detector.sure >= detector.likely):
            break
        upright = quarter_turn(small, turns) if turns else small
        faces = tuple(_detect(upright, detector, pad=pad))
        found = max((_value(face, upright, detector) for face in faces), default=0.0)
        if found * (_TURNED if turns else 1) > value:
            best, value = Finding(upright, turns, _kept(faces, detector, background=background)), found
    upright = quarter_turn(image, best.turns) if best.turns else image
    return Finding(upright, best.turns, tuple(_grown(face, 1 / factor) for face in best.faces))


def upright_to_original(box: Box, size: tuple[int, int], turns: int) -> Box:
    """Returns a box of the upright picture in pixels of the picture as it was handed in.

    Args:
        size: (height, width) of the picture as it was handed in.
        turns: quarters by which it was turned counter-clockwise.
    """
    x, y, w, h = box
    height, width = size
    turned = {
        0: (x, y, w, h),
        1: (width - y - h, x, h, w),
        2: (width - x - w, height - y - h, w, h),
        3: (y, height - x - w, h, w),
    }
    return turned[turns % 4]


def point_to_original(point: Point, size: tuple[int, int], turns: int) -> Point:
    """Returns a point of the upright picture in pixels of the picture as it was handed in."""
    x, y, _, _ = upright_to_original((*point, 0.0, 0.0), size, turns)
    return x, y


def face_to_original(face: Face, size: tuple[int, int], turns: int) -> Face:
    """Returns a face of the upright picture in pixels of the picture as it was handed in."""
    box = upright_to_original(face.box, size, turns)
    points = tuple(point_to_original(point, size, turns) for point in face.points)
    return face.model_copy(update={"box": box, "points": points})


def _detect(image: Pixels, detector: Detector, *, pad: float) -> Iterator[Face]:
    """The faces in a picture that is padded and, when tiny, enlarged before detection."""
    height, width = image.shape[:2]
    if border := round(pad * max(height, width)):
        padded = cv2.copyMakeBorder(image, *(border,) * 4, cv2.BORDER_CONSTANT, value=_GREY)
        image = np.asarray(padded, dtype=np.uint8)
    factor = max(1.0, _ENOUGH / max(image.shape[:2]))
    if factor > 1:
        image = np.asarray(
            cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR), np.uint8
        )
    for found in detector.detect(image):
        face = _grown(found, 1 / factor, shift=-border)
        x, y, w, h = face.box
        if 0 <= x + w / 2 <= width and 0 <= y + h / 2 <= height:
            yield face  # What was invented around the picture holds no face.


def _grown(face: Face, factor: float, *, shift: float = 0.0) -> Face:
    """The face with its pixels multiplied by `factor`, then moved."""
    x, y, w, h = (side * factor for side in face.box)
    points = tuple((a * factor + shift, b * factor + shift) for a, b in face.points)
    return face.model_copy(update={"box": (x + shift, y + shift, w, h), "points": points})


def _kept(faces: tuple[Face, ...], detector: Detector, *, background: float) -> tuple[Face, ...]:
    """The likely faces, the largest first; if there is none, the best of the others."""
    likely = sorted((face for face in faces if face.confidence >= detector.likely), key=_side, reverse=True)
    return tuple(face for face in likely if _side(face) >= background * _side(likely[0])) or faces[:1]


def _side(face: Face) -> float:
    return max(face.box[2:])


def _value(face: Face, image: Pixels, detector: Detector) -> float:
    """How good a find is; 1 or more ends the search."""
    value = face.confidence / detector.sure
    if not _is_upright(face):
        value *= 0.8
    if _side(face) < _LARGE * max(image.shape[:2]):
        value *= 0.97
    return value


def _is_upright(face: Face) -> bool:
    """Whether the mouth lies below the eyes."""
    if len(face.points) < 5:
        return True
    points = np.asarray(face.points)
    across, down = points[3:5].mean(axis=0) - points[0:2].mean(axis=0)
    return abs(math.atan2(across, down)) <= _TILT
