"""Finds faces as people hand pictures in: large or small, upright or turned, with room around them, dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from facetrust.errors import UsageError
from facetrust.faces.tiles import faces_in_tiles, merged
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
_FINEST = 1 / 20
_LEAST = 12  # Pixels: no detector finds a smaller face.
_DARK = 64  # Mean grey below which a picture without a face is searched again, brightened.
_BRIGHT = 0.4  # The mean of the brightened picture, white being 1.
_BRIGHTEST = 99.5  # Percentile of its grey that becomes white.


class Detector(Protocol):
    """What finds faces: `detect` returns them, the most confident first.

    A confidence of `sure` is reached by an upright face and hardly ever by a turned one; below
    `likely`, most finds are no faces. One that has an attribute `finest` says by it how small a face it
    finds, over the longest side of what it is shown; 1/20 without. One that errs more often where more is
    searched says by `likely_in_tiles` what a find in a tile must reach; `likely` without.
    """

    name: str
    sure: float
    likely: float

    def detect(self, image: Pixels) -> list[Face]:
        """Returns the faces in a picture (H, W, 3) uint8 RGB."""


class Search(NamedTuple):
    """How far faces are looked for.

    `smallest` is the side in pixels of the smallest face sought, from 12 on, or None for a twentieth of the
    picture's longest side, which needs no tiles; of more faces than `most`, the largest are kept.
    """

    smallest: int | None = 40
    most: int = 2000


SEARCH = Search()
WHOLE = Search(smallest=None)


class Finding(NamedTuple):
    """The picture turned upright (by `turns` quarters counter-clockwise) and the faces in its pixels.

    `left_out` counts the faces found beyond the most that are kept.
    """

    image: Pixels
    turns: int
    faces: tuple[Face, ...]
    left_out: int = 0


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


def checked_search(search: Search) -> Search:
    """Returns the search as it is.

    Raises:
        UsageError: it is out of range.
    """
    if search.smallest is not None and search.smallest < _LEAST:
        raise UsageError(f"the smallest face must be at least {_LEAST} pixels; got {search.smallest}")
    if search.most < 1:
        raise UsageError(f"the most faces of a picture must be at least 1; got {search.most}")
    return search


def find_faces(
    image: Pixels, detector: Detector, *, search: Search = SEARCH, attempts: bool = True
) -> Finding:
    """Returns the picture upright and its likely faces, the largest first; the best unlikely one if alone.

    The picture is looked at as a whole, shrunk to 640 pixels, and where that is too coarse for the smallest
    face, in tiles too. A sure, upright and not too small face ends the search. Failing that, the whole
    is padded, for a face that fills it, then turned by quarters, then both; the attempt with the best
    face is taken, so that a weak find never pre-empts a better one. A dark picture (mean grey below 64)
    in which no likely face was found is searched once more, brightened. Boxes are in pixels of the
    upright picture and may reach outside it.

    Args:
        image: (H, W, 3) uint8 RGB.
        search: the smallest face, and the most faces.
        attempts: whether to pad, turn and brighten at all.

    Raises:
        UsageError: `search` is out of range.
    """
    checked_search(search)
    found = _search(image, detector, smallest=search.smallest, attempts=attempts)
    if attempts and not _likely(found.faces, detector):
        table = brightening(fit_within(image, _MANY)[0])
        if table is not None:
            again = _search(image, _Brightened(detector, table), smallest=search.smallest, attempts=True)
            found = again if _likely(again.faces, detector) or not found.faces else found
    return found._replace(faces=found.faces[: search.most], left_out=max(0, len(found.faces) - search.most))


def _search(image: Pixels, detector: Detector, *, smallest: int | None, attempts: bool) -> Finding:
    """The faces of the best attempt, and all others found with the picture turned as it is then."""
    small, factor = fit_within(image, _MANY)
    best, value = Finding(small, 0, ()), 0.0
    likely: dict[int, tuple[Face, ...]] = {}
    for turns, pad in _ATTEMPTS if attempts else _ATTEMPTS[:1]:
        if value >= 1 or (turns and pad and value * detector.sure >= detector.likely):
            break
        upright = quarter_turn(small, turns) if turns else small
        faces = tuple(_detect(upright, detector, pad=pad))
        sought = faces
        if not likely:
            likely[0] = _in_tiles(image, detector, smallest, factor)
            sought = (*faces, *likely[0])
        likely[turns] = (*likely.get(turns, ()), *_likely(faces, detector))
        found = max((_value(face, upright, detector) for face in sought), default=0.0)
        if found * (_TURNED if turns else 1) > value:
            best, value = Finding(upright, turns, faces), found
    upright = quarter_turn(image, best.turns) if best.turns else image
    if best.turns:
        likely[best.turns] += _in_tiles(upright, detector, smallest, factor)
    faces = merged(_likely(best.faces, detector), likely[best.turns], sure=detector.sure) or best.faces[:1]
    faces = tuple(_grown(face, 1 / factor) for face in sorted(faces, key=_side, reverse=True))
    return Finding(upright, best.turns, faces)


def _in_tiles(image: Pixels, detector: Detector, smallest: int | None, factor: float) -> tuple[Face, ...]:
    """The likely faces in the tiles of a picture, in pixels of the picture shrunk by `factor`."""
    if smallest is None or factor >= 1:
        return ()
    finest = float(getattr(detector, "finest", _FINEST))
    found = faces_in_tiles(image, partial(_detect, detector=detector), smallest=smallest, finest=finest)
    least = float(getattr(detector, "likely_in_tiles", detector.likely))
    return tuple(_grown(face, factor) for face in found if face.confidence >= least)


def brightening(image: Pixels) -> Pixels | None:
    """Returns a table of grey values (256,) uint8 that brightens a picture, or None where it is not dark.

    Dark is a mean grey below 64. The table makes the brightest grey white, then the mean 0.4 of it.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if grey.mean() >= _DARK:
        return None
    white = max(1.0, float(np.percentile(grey, _BRIGHTEST)))
    mean = min(max(float(np.minimum(grey / white, 1).mean()), 1e-3), 1.0)
    power = min(1.0, math.log(_BRIGHT) / math.log(mean)) if mean < 1 else 1.0
    return np.asarray(np.rint(255 * np.minimum(np.arange(256) / white, 1) ** power), np.uint8)


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


def _detect(image: Pixels, detector: Detector, *, pad: float = 0.0) -> Iterator[Face]:
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


def _likely(faces: Iterable[Face], detector: Detector) -> tuple[Face, ...]:
    return tuple(face for face in faces if face.confidence >= detector.likely)


class _Brightened:
    """A detector that is shown every picture through a table of grey values (256,) uint8."""

    def __init__(self, detector: Detector, table: Pixels) -> None:
        self.name, self.sure, self.likely = detector.name, detector.sure, detector.likely
        self.likely_in_tiles = float(getattr(detector, "likely_in_tiles", detector.likely))
        self.finest = float(getattr(detector, "finest", _FINEST))
        self._detector = detector
        self._table = table

    def detect(self, image: Pixels) -> list[Face]:
        return self._detector.detect(np.asarray(cv2.LUT(image, self._table), np.uint8))
