"""Which faces of successive frames are one: joined by their boxes, and by their points where these jump.

Faces that look different are never one; see `facetrust.faces.appearance`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.faces.appearance import Appearance, is_another
from facetrust.records import Box, Face, Point

GAP = 1.0  # Seconds unseen after which a face that comes back is a new track.

_OVERLAP = 0.3  # Intersection over union from which on two boxes are one face's.
_REACH = 2.0  # Sides of the face: the farthest that a centre jumps between frames.
_GROWTH = 1.5  # The most that a side grows or shrinks in a jump.
_SHAPE = 0.25  # Root mean square distance of two sets of points, each of unit size about its centre.


class Detection(NamedTuple):
    """A face, when it was seen in seconds, and its appearance where that is known."""

    time: float
    face: Face
    appearance: Appearance | None = None


def join(last: Mapping[int, Detection], now: Sequence[Detection], *, gap: float = GAP) -> list[int]:
    """Returns the track number of each face in a frame; a face that continues no track gets a new number.

    Pairs are made greedily, the likest first, so that no track is continued twice.

    Args:
        last: each track's last sighting, ended tracks included, so that no number is given twice.
        now: the faces of one frame, in pixels of the frame.
        gap: a track that was not seen for longer has ended.
    """
    pairs = [
        (likeness(sighting.face, each.face), -number, -row)
        for number, sighting in last.items()
        for row, each in enumerate(now)
        if each.time - sighting.time <= gap + 1e-9 and not _differ(sighting, each)
    ]
    joined: dict[int, int] = {}
    for value, number, row in sorted(pairs, reverse=True):
        if value > 0 and -row not in joined and -number not in joined.values():
            joined[-row] = -number
    new = max(last, default=0)
    numbers = []
    for row in range(len(now)):
        new += row not in joined
        numbers.append(joined.get(row, new))
    return numbers


def _differ(before: Detection, now: Detection) -> bool:
    if before.appearance is None or now.appearance is None:
        return False
    return is_another(before.appearance, now.appearance)


def likeness(before: Face, now: Face) -> float:
    """Returns how likely two finds are one face: above 1 by overlap, in (0, 1] by points, else 0."""
    overlap = intersection_over_union(before.box, now.box)
    return 1 + overlap if overlap >= _OVERLAP else _by_points(before, now)


def intersection_over_union(one: Box, other: Box) -> float:
    """Returns the area that two boxes x, y, w, h share over the area that they cover, in [0, 1]."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    shared = across * down
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def _by_points(before: Face, now: Face) -> float:
    """1 for the same five points moved and resized; 0 beyond a jump's reach or for another pose."""
    sides = sorted(max(face.box[2:]) for face in (before, now))
    (x, y), (a, b) = (_centre(face.box) for face in (before, now))
    if sides[0] <= 0 or sides[1] > _GROWTH * sides[0] or math.hypot(x - a, y - b) > _REACH * sides[1]:
        return 0.0
    one, other = _shape(before.points), _shape(now.points)
    if one is None or other is None:
        return 0.0
    apart = float(np.sqrt(((one - other) ** 2).sum(axis=1).mean()))
    return max(0.0, 1 - apart / _SHAPE)


def _centre(box: Box) -> Point:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def _shape(points: Sequence[Point]) -> NDArray[np.float64] | None:
    """Five points about their centre, of root mean square radius 1; not turned, for a tilt tells apart."""
    if len(points) != 5:
        return None
    centred = np.asarray(points, np.float64) - np.mean(points, axis=0)
    radius = float(np.sqrt((centred**2).sum(axis=1).mean()))
    return centred / radius if radius > 0 else None
