"""What blended fakes are made of: changes of colour and sharpness, a bent soft mask, and the blend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate._outline import Polygon
from facetrust.imaging import Pixels
from facetrust.records import Box

Plane = NDArray[np.float32]
Affine = NDArray[np.float64]

MARGINS = (0.5, 0.4, 0.5, 0.3)  # left, top, right and bottom of a window, in sides of the face


class Blend(NamedTuple):
    """A manipulated picture, the genuine one to see it beside, (H, W, 3) uint8 RGB, and the mask (H, W)."""

    fake: Pixels
    real: Pixels
    mask: Plane

    @property
    def levels(self) -> Pixels:
        """The mask as (H, W, 1) uint8, 255 where it is 1."""
        return np.asarray(np.round(self.mask[:, :, None] * 255), dtype=np.uint8)


class Change(NamedTuple):
    """A change of colours and sharpness, in the order of its fields; by default it changes nothing.

    Levels are cut down to whole ones, as a table of 8 bits does, not rounded.

    shift: added to R, G, B, in levels. hsv: added to hue (of 180), saturation and value, in levels; a step
    below 0 takes a whole level, however small, and the way to 8 bits of hue and back changes colours by
    itself. gain, lift: level * gain + lift. shuffle: the order of the channels. shrink: the picture is
    shrunk by it to the nearest pixels, and enlarged again, linearly or `blocky`. sharpen: (alpha,
    lightness), the share of a 3 x 3 Laplacian whose middle is 8 + lightness. quality: of a JPEG file.
    """

    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    hsv: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gain: float = 1.0
    lift: float = 0.0
    shuffle: tuple[int, int, int] = (0, 1, 2)
    shrink: float = 1.0
    blocky: bool = False
    sharpen: tuple[float, float] | None = None
    quality: int | None = None


def changed(image: Pixels, change: Change) -> Pixels:
    """Returns the picture after a change, (H, W, 3) uint8 RGB; the same array if there is none."""
    if any(change.shift):
        image = _looked_up(image, [(1.0, shift) for shift in change.shift])
    if any(change.hsv):
        image = _hsv(image, *change.hsv)
    if (change.gain, change.lift) != (1.0, 0.0):
        image = _looked_up(image, [(change.gain, change.lift)] * 3)
    if change.shuffle != (0, 1, 2):
        image = np.ascontiguousarray(image[:, :, change.shuffle])
    if change.shrink != 1:
        image = _shrunk(image, change.shrink, blocky=change.blocky)
    if change.sharpen is not None:
        image = _sharpened(image, *change.sharpen)
    return image if change.quality is None else _coded(image, change.quality)


class Window(NamedTuple):
    """The face and its margins: the corner (x, y) in the picture and the sides (width, height), which may
    lie outside it, and the rows and columns that the picture has of them."""

    corner: tuple[int, int]
    sides: tuple[int, int]
    part: tuple[slice, slice]


def window(size: tuple[int, int], box: Box) -> Window:
    """Returns the window of a box in a picture (H, W)."""
    (x, y, w, h), (left, top, right, bottom) = box, MARGINS
    corner = (round(x - left * w), round(y - top * h))
    sides = (max(1, round((1 + left + right) * w)), max(1, round((1 + top + bottom) * h)))
    columns, rows = (
        slice(min(max(start, 0), limit), min(max(start + side, 0), limit))
        for start, side, limit in zip(corner, sides, size[::-1], strict=True)
    )
    return Window(corner, sides, (rows, columns))


def moved(at: Window, by: tuple[float, float], scale: tuple[float, float]) -> Affine:
    """Returns the (2, 3) matrix, on the picture's pixels, that scales about the window's middle and moves by
    shares (x, y) of its sides."""
    middle = np.array(at.corner) + (np.array(at.sides) - 1) / 2
    offset = middle - np.multiply(scale, middle) + np.multiply(by, at.sides)
    return np.column_stack([np.diag(scale), offset])


def filled(
    polygons: Sequence[Polygon], at: Window, grid: tuple[int, int], move: Affine, bend: Plane
) -> Pixels:
    """Returns the moved and bent inside of polygons, (h, w) = `grid` laid over the window, 0 or 1.

    `bend` (2, q, r) says how far x and y are pushed, in pixels of the grid, at q x r places over it. Moving
    an edge's corners is what a dense warp does to the area, at a hundredth of the cost.
    """
    mask = np.zeros(grid, np.uint8)
    scale = np.array(grid[::-1]) / at.sides
    placed = [(each @ move[:, :2].T + move[:, 2] + 0.5 - at.corner) * scale - 0.5 for each in polygons]
    bent = [np.round(each + _pushed(each, bend, grid)).astype(np.int32) for each in placed]
    return np.asarray(cv2.fillPoly(mask, bent, 1), dtype=np.uint8) if bent else mask


def laid(mask: Plane, at: Window) -> Plane:
    """Returns a mask on a grid over the window as the picture's part of it, (h, w) float32."""
    rows, columns = at.part
    size = (columns.stop - columns.start, rows.stop - rows.start)
    scale = np.array(mask.shape[::-1]) / at.sides
    first = np.array([columns.start, rows.start]) - at.corner
    back = np.column_stack([np.diag(scale), (first + 0.5) * scale - 0.5])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, back, size, flags=how), dtype=np.float32)


def shifted(source: Pixels, at: Window, move: Affine) -> Pixels:
    """Returns the picture's part of the window, moved; what is missing is black."""
    first = np.array([at.part[1].start, at.part[0].start])
    here = np.column_stack([move[:, :2], move[:, :2] @ first + move[:, 2] - first])
    if np.array_equal(here, np.eye(2, 3)):
        return source
    size = (source.shape[1], source.shape[0])
    return np.asarray(cv2.warpAffine(source, here, size), dtype=np.uint8)


def pasted(image: Pixels, at: Window, change: Change, *, mask: Plane, move: Affine, on_source: bool) -> Blend:
    """Returns the blend of the moved source with the target, one of which is changed.

    `mask` lies on a grid over the window.
    """
    target = image if on_source else changed(image, change)
    here = np.ascontiguousarray(image[at.part])
    if here.size:
        here = shifted(changed(here, change) if on_source else here, at, move)
    return blended(here, target, at, mask)


def blended(source: Pixels, target: Pixels, at: Window, mask: Plane) -> Blend:
    """Returns the blend of a source with a target.

    Args:
        source: (h, w, 3) uint8 RGB, what the picture has of the window.
        target: (H, W, 3) uint8 RGB.
        at: the window of the face.
        mask: on a grid over the window, 1 where the source replaces the target.
    """
    fake, whole = target.copy(), np.zeros(target.shape[:2], np.float32)
    if source.size:
        whole[at.part] = laid(mask, at)
        fake[at.part] = _mixed(source, fake[at.part], whole[at.part])
    return Blend(fake, target, whole)


def _mixed(source: Pixels, target: Pixels, mask: Plane) -> Pixels:
    """Returns mask * source + (1 - mask) * target, cut to whole levels; (H, W, 3) uint8 RGB, mask (H, W)."""
    # In this form it is exact, so that equal pixels stay equal.
    step = mask[:, :, None].astype(np.float64) * (source.astype(np.float64) - target)
    return np.asarray(np.floor(target + step), dtype=np.uint8)


def _pushed(corners: Polygon, bend: Plane, grid: tuple[int, int]) -> NDArray[np.float32]:
    """Returns how far each corner is pushed, (n, 2), read between the places of the coarse field."""
    coarse = np.array(bend.shape[:0:-1]) / np.array(grid[::-1])
    x, y = np.hsplit(((corners + 0.5) * coarse - 0.5).astype(np.float32), 2)
    fields = [cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for field in bend]
    return np.concatenate(fields, axis=1).astype(np.float32)


def _looked_up(image: Pixels, lines: Sequence[tuple[float, float]]) -> Pixels:
    levels = np.arange(256)[:, None]
    gains, lifts = np.array(lines).T
    table = np.clip(levels * gains + lifts, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), dtype=np.uint8)


def _hsv(image: Pixels, hue: float, saturation: float, value: float) -> Pixels:
    levels = np.arange(256)
    table = np.stack(
        [(levels + hue) % 180, np.clip(levels + saturation, 0, 255), np.clip(levels + value, 0, 255)], axis=1
    )
    turned = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table.astype(np.uint8)[None])
    return np.asarray(cv2.cvtColor(turned, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def _shrunk(image: Pixels, by: float, *, blocky: bool) -> Pixels:
    size = (image.shape[1], image.shape[0])
    small = (max(1, round(size[0] / by)), max(1, round(size[1] / by)))
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_NEAREST)
    how = cv2.INTER_NEAREST if blocky else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(coarse, size, interpolation=how), dtype=np.uint8)


def _sharpened(image: Pixels, alpha: float, lightness: float) -> Pixels:
    kernel = np.full((3, 3), -alpha, np.float32)
    kernel[1, 1] = (1 - alpha) + alpha * (8 + lightness)
    return np.asarray(cv2.filter2D(image, -1, kernel), dtype=np.uint8)


def _coded(image: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    coded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(coded, cv2.COLOR_BGR2RGB), dtype=np.uint8)
