"""Small faces in large pictures: overlapping tiles at every scale, from the smallest face to the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from facetrust.faces._boxes import suppress
from facetrust.imaging import Pixels
from facetrust.records import Face

OVERLAP = 1 / 5  # Of neighbouring tiles; a face up to this share of a tile lies whole in one of them.
_SLACK = 0.75  # Of the overlap, up to which faces are left to a scale of tiles.
_SAME = 0.4  # Intersection over union from which on two finds are one face.
_INSIDE = 0.8  # Share of a find that lies in a larger, sure one, of which it is then a part.

Detect = Callable[[Pixels], Iterable[Face]]


def tile_sides(longest: int, smallest: int, *, finest: float) -> list[int]:
    """Returns the sides of tiles that show faces from `smallest` pixels up, the finest first.

    Empty where the whole picture, of this longest side in pixels, shows such faces already.

    Args:
        finest: smallest face that the detector finds, over the longest side of what it is shown.
    """
    first = smallest / finest
    if longest <= first:
        return []
    # The next scale must find what is too large to lie whole in one tile of this one.
    step = max(1.1, _SLACK * OVERLAP / finest)
    count = math.ceil(math.log(longest / first, step))
    return [round(first * (longest / first) ** (scale / count)) for scale in range(count)]


def tiles_of(size: tuple[int, int], side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yields tiles as x, y, w, h that cover a picture (height, width) and overlap by `OVERLAP` or more."""
    height, width = size
    for y in _starts(height, side):
        for x in _starts(width, side):
            yield x, y, min(side, width), min(side, height)


def faces_in_tiles(image: Pixels, detect: Detect, *, smallest: int, finest: float) -> Iterator[Face]:
    """Yields the faces of every tile of a picture (H, W, 3) uint8 RGB, in pixels of the picture.

    One tile is in work at a time. A find that a tile cuts is left out: its neighbour, or a larger tile,
    shows the face whole. A face may be found in several tiles; see `merged`.
    """
    size = (image.shape[0], image.shape[1])
    for side in tile_sides(max(size), smallest, finest=finest):
        for x, y, w, h in tiles_of(size, side):
            for face in detect(np.ascontiguousarray(image[y : y + h, x : x + w])):
                left, top = face.box[0] + x, face.box[1] + y
                right, bottom = left + face.box[2], top + face.box[3]
                cut = (
                    (left < x and x > 0)
                    or (top < y and y > 0)
                    or (right > x + w and x + w < size[1])
                    or (bottom > y + h and y + h < size[0])
                )
                if not cut:
                    points = tuple((a + x, b + y) for a, b in face.points)
                    yield face.model_copy(update={"box": (left, top, *face.box[2:]), "points": points})


def merged(whole: Sequence[Face], in_tiles: Sequence[Face], *, sure: float) -> tuple[Face, ...]:
    """Returns the faces found at all scales, each once.

    Non-maximum suppression: of finds whose boxes overlap by more than 0.4 of their union, the one in the
    whole picture is kept, or else the most confident. Then finds that lie in a larger one of confidence
    `sure` or more, by 0.8 of their area, are left out as parts of it.
    """
    faces = (*whole, *in_tiles)
    if len(faces) < 2:
        return faces
    boxes = np.asarray([(x, y, x + w, y + h) for x, y, w, h in (face.box for face in faces)], np.float32)
    ranks = np.asarray(
        [face.confidence + (place < len(whole)) for place, face in enumerate(faces)], np.float32
    )
    kept = suppress(boxes, ranks, overlap=_SAME)
    areas = np.prod(np.maximum(boxes[kept, 2:] - boxes[kept, :2], 0), axis=1)
    surely = np.asarray([faces[place].confidence >= sure for place in kept])
    alone = []
    for row, place in enumerate(kept):
        low = np.maximum(boxes[place, :2], boxes[kept, :2])
        high = np.minimum(boxes[place, 2:], boxes[kept, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        if not (surely & (areas > areas[row]) & (shared > _INSIDE * areas[row])).any():
            alone.append(faces[place])
    return tuple(alone)


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / (side * (1 - OVERLAP)))
    return [(length - side) * step // steps for step in range(steps + 1)]
