"""A box becomes a crop, five points an aligned face, a crop a tensor.

Training and serving both come through here, so that they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError
from facetrust.imaging.pixels import Pixels, decode_image, read_bytes
from facetrust.imaging.plain_png import decode_plain_png
from facetrust.records import Box, Fill, Point, Preprocessing, Sample

Points = Sequence[Point]

# Where ArcFace's aligned faces of 112 x 112 pixels have the eyes, the nose and the corners of the mouth.
TEMPLATE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
_FILLS = {"zero": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE}
FLAT = 1e-2  # Deviation below which a crop holds nothing that could be brought to 1.
DARK = 0.02  # Share of full brightness below which a channel's mean tells no tint.
# How a crop is shrunk, and how it is enlarged.
_METHODS = {
    "area": (cv2.INTER_AREA, cv2.INTER_LINEAR),
    "cubic": (cv2.INTER_AREA, cv2.INTER_CUBIC),
    "linear": (cv2.INTER_LINEAR, cv2.INTER_LINEAR),
    "nearest": (cv2.INTER_NEAREST, cv2.INTER_NEAREST),
}


def read_sample(sample: Sample) -> tuple[Pixels, Sample]:
    """Returns the picture (H, W, 3) that a row names, and the row; raises what `read_image` raises."""
    data = read_bytes(sample.path)
    plain = decode_plain_png(data)
    return decode_image(data, sample.path) if plain is None else plain, sample


def box_of(sample: Sample, image: Pixels) -> Box:
    """Returns the row's box x, y, w, h in pixels, or the whole picture where it has none."""
    if sample.x is None or sample.y is None or sample.w is None or sample.h is None:
        return (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    return (sample.x, sample.y, sample.w, sample.h)


def inputs_of(
    image: Pixels, box: Box, preprocessing: Preprocessing, *, points: Points | None = None
) -> NDArray[np.float32]:
    """Returns what a network is fed of one face: (M, 3, h, w) float32, normalised as the card says.

    Args:
        image: (H, W, 3) uint8 RGB.
        box, points: see `crops_of`.
    """
    crops = crops_of(image, box, preprocessing, points=points)
    return np.stack([to_tensor(crop, preprocessing) for crop in crops])


def crops_of(
    image: Pixels,
    box: Box,
    preprocessing: Preprocessing,
    *,
    points: Points | None = None,
    margins: Sequence[float] | None = None,
) -> list[Pixels]:
    """Returns the crops of one face: one per margin, the aligned face, or native windows, as the card says.

    Args:
        image: (H, W, C) uint8.
        box: x, y, w, h of the face in pixels; may reach outside the image.
        points: the eyes, the nose and the corners of the mouth, which only an aligned crop needs.
        margins: instead of the card's.

    Raises:
        ImageError: the card asks for an aligned face, and there are no five points.
    """
    if preprocessing.align == "box":
        wanted = preprocessing.margins if margins is None else margins
        return [crop_face(image, box, preprocessing, margin=margin) for margin in wanted]
    if preprocessing.align == "native":
        count = len(preprocessing.margins if margins is None else margins)
        return [native(image, box, preprocessing.size, place=place) for place in spread(count)]
    return [align_face(image, _five(points), preprocessing.size, nearest=preprocessing.resize == "nearest")]


def spread(count: int) -> list[Point]:
    """Returns where native windows lie, (across, down) in [0, 1] of a box: the middles of a grid's cells.

    The grid has as many cells as are needed, and is filled row by row: one window lies in the middle, four
    cover all of a box of twice their sides.
    """
    side = math.ceil(math.sqrt(count))
    return [((n % side + 0.5) / side, (n // side + 0.5) / side) for n in range(count)]


def native(image: Pixels, box: Box, size: tuple[int, int], *, place: Point) -> Pixels:
    """Returns a window (h, w, C) of a picture (H, W, C) uint8 at its own resolution.

    It lies around a place of the box as near as the picture's edges allow. Where the picture is smaller than
    the window, it is enlarged until it is not, for there are no further pixels.

    Args:
        box: x, y, w, h in pixels.
        size: (height, width) of the window.
        place: (across, down), 0 the box's left and upper edge and 1 its right and lower one.
    """
    tall, wide = size
    left, top, scale = _native_corner(image.shape, box, size, place)
    if scale > 1:
        grown = (max(wide, round(image.shape[1] * scale)), max(tall, round(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, grown, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    image = image.reshape(*image.shape[:2], -1)
    return image[top : top + tall, left : left + wide]


def _native_corner(
    shape: tuple[int, ...], box: Box, size: tuple[int, int], place: Point
) -> tuple[int, int, float]:
    """Left and top of a native window in the picture enlarged by the third number, which is 1 or more."""
    (height, width), (tall, wide) = shape[:2], size
    scale = max(1.0, tall / height, wide / width)
    left = round(scale * (box[0] + place[0] * box[2]) - wide / 2)
    top = round(scale * (box[1] + place[1] * box[3]) - tall / 2)
    most = max(wide, round(width * scale)) - wide, max(tall, round(height * scale)) - tall
    return min(max(left, 0), most[0]), min(max(top, 0), most[1]), scale


def align_face(image: Pixels, points: Points, size: tuple[int, int], *, nearest: bool = False) -> Pixels:
    """Returns the face (h, w, C) turned, scaled and moved so that its points fall on the template's.

    What lies outside is black; see `alignment`.

    Raises:
        ImageError: the points fall together, so that nothing can be aligned by them.
    """
    matrix = alignment(points, size)
    method = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    warped = cv2.warpAffine(image, matrix, (size[1], size[0]), flags=method, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(warped, dtype=np.uint8).reshape(*size, -1)


def alignment(points: Points, size: tuple[int, int]) -> NDArray[np.float64]:
    """Returns the (2, 3) matrix that takes pixels (x, y) of a picture to those of its aligned face.

    The similarity transform with the least squared distance (Umeyama 1991) onto `TEMPLATE`, which is drawn
    for 112 x 112 pixels and scaled to `size` (height, width).

    Raises:
        ImageError: the points fall together, so that nothing can be aligned by them.
    """
    target = np.asarray(TEMPLATE) * (size[1] / 112, size[0] / 112)
    source = np.asarray(points, dtype=np.float64)
    middle, centre = source.mean(axis=0), target.mean(axis=0)
    a, b = source - middle, target - centre
    spread = float((a**2).sum())
    if not spread > 0:
        raise ImageError("the five points of the face fall together; it cannot be aligned")
    # In two dimensions the best similarity is a complex number: (sum of conj(a) b) / (sum of |a|^2).
    turn = np.sum((a[:, 0] - 1j * a[:, 1]) * (b[:, 0] + 1j * b[:, 1])) / spread
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, centre - linear @ middle])


def window_of(
    size: tuple[int, ...],
    box: Box,
    preprocessing: Preprocessing,
    *,
    margin: float | None = None,
    crop: int = 0,
) -> Box:
    """Returns x, y, w, h of the window that `crop_face` cuts for a box; a shifted one lies in the picture.

    Args:
        size: (height, width, ...) of the image.
        margin: side of the crop over side of the box; the first of the card's if none is given.
        crop: which of the native windows, where the card asks for these.
    """
    if preprocessing.align == "native":
        place = spread(len(preprocessing.margins))[crop]
        left, top, enlarged = _native_corner(size, box, preprocessing.size, place)
        height, width = preprocessing.size
        return left / enlarged, top / enlarged, width / enlarged, height / enlarged
    centre, window = _wanted(box, preprocessing, margin)
    centre, (tall, wide) = _inside(size, centre, window, fill=preprocessing.fill)
    return centre[0] - wide / 2, centre[1] - tall / 2, wide, tall


def _wanted(
    box: Box, how: Preprocessing, margin: float | None = None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre (x, y) and size (height, width) of the window around a box, wherever it lies."""
    x, y, w, h = box
    scale, side = how.margins[0] if margin is None else margin, max(w, h)
    wide, tall = (side, side) if how.square else (w, h)
    return (x + w / 2, y + h / 2), (tall * scale, wide * scale)


def crop_matrix(
    size: tuple[int, ...], box: Box, how: Preprocessing, *, points: Points | None = None
) -> NDArray[np.float64]:
    """Returns the (2, 3) matrix that takes pixels (x, y) of a picture to those of the crop of a face.

    Of the first margin's crop, where the card has several. The centre of a pixel is at whole numbers.

    Args:
        size: (height, width, ...) of the picture.
        box, points: see `crops_of`.

    Raises:
        ImageError: the card asks for an aligned face, and its points do not allow that.
    """
    if how.align == "points":
        return alignment(_five(points), how.size)
    left, top, right, bottom = _edges(size, *_wanted(box, how), fill=how.fill)
    across, down = how.size[1] / (right - left), how.size[0] / (bottom - top)
    return np.array(
        [[across, 0, (0.5 - left) * across - 0.5], [0, down, (0.5 - top) * down - 0.5]], dtype=np.float64
    )


def _five(points: Points | None) -> Points:
    if points is None or len(points) != len(TEMPLATE):
        raise ImageError("a face without five points (eyes, nose, mouth) cannot be aligned")
    return points


def _inside(
    size: tuple[int, ...], centre: tuple[float, float], window: tuple[float, float], *, fill: Fill
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre (x, y) and size (height, width) of a window; `shift` moves it inside and shrinks it."""
    tall, wide = window
    if fill != "shift":
        return centre, window
    height, width = size[:2]
    ratio = min(1.0, height / tall, width / wide)
    tall, wide = tall * ratio, wide * ratio
    across = min(max(centre[0], wide / 2), width - wide / 2)
    down = min(max(centre[1], tall / 2), height - tall / 2)
    return (across, down), (tall, wide)


def crop_face(image: Pixels, box: Box, how: Preprocessing, *, margin: float | None = None) -> Pixels:
    """Returns the face and its surroundings, resized to `how.size`, as (h, w, 3) uint8 RGB.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: x, y, w, h of the face in pixels; may reach outside the image.
        margin: side of the crop over side of the box; the first of `how.margins` if none is given.
    """
    cut = cut_out(image, *_wanted(box, how, margin), fill=how.fill)
    shrinks, enlarges = _METHODS[how.resize]
    method = shrinks if cut.shape[0] > how.size[0] else enlarges
    return np.asarray(cv2.resize(cut, (how.size[1], how.size[0]), interpolation=method), dtype=np.uint8)


def cut_out(image: Pixels, centre: tuple[float, float], size: tuple[float, float], *, fill: Fill) -> Pixels:
    """Returns the window of `size` (height, width) around `centre` (x, y), whatever lies outside filled.

    `"shift"` moves the window back inside, and shrinks it where the image is smaller; the other
    fills invent pixels: black, mirrored, or the border's repeated.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = _edges(image.shape, centre, size, fill=fill)
    pads = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    inside = image[max(0, top) : max(bottom, 0), max(0, left) : max(right, 0)]
    if not any(pads):
        return inside
    # A mirror cannot be wider than what it mirrors, so the whole image is padded, step by step.
    padded: Pixels = image
    top_pad, bottom_pad, left_pad, right_pad = pads
    while top_pad or bottom_pad or left_pad or right_pad:
        limit_y, limit_x = padded.shape[0] - 1, padded.shape[1] - 1
        step = (
            min(top_pad, limit_y),
            min(bottom_pad, limit_y),
            min(left_pad, limit_x),
            min(right_pad, limit_x),
        )
        padded = np.asarray(cv2.copyMakeBorder(padded, *step, _FILLS[fill]), dtype=np.uint8)
        top_pad, bottom_pad = top_pad - step[0], bottom_pad - step[1]
        left_pad, right_pad = left_pad - step[2], right_pad - step[3]
    rows = slice(top + pads[0], bottom + pads[0])
    return np.asarray(padded[rows, left + pads[2] : right + pads[2]], dtype=np.uint8)


def _edges(
    size: tuple[int, ...], centre: tuple[float, float], window: tuple[float, float], *, fill: Fill
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the window in whole pixels, the last two not included."""
    height, width = size[:2]
    centre, (tall, wide) = _inside(size, centre, window, fill=fill)
    left, top = round(centre[0] - wide / 2), round(centre[1] - tall / 2)
    right, bottom = left + max(1, round(wide)), top + max(1, round(tall))
    if fill == "shift":
        return max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return left, top, right, bottom


@lru_cache(maxsize=16)
def _levels(top: float, mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """What each of the 256 levels of a channel becomes: (256, 3)."""
    return _normal(np.full(3, top / 255.0), np.asarray(mean, np.float32), np.asarray(std, np.float32))


def _normal(
    scale: NDArray[np.float64], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float32]:
    levels = np.arange(256, dtype=np.float32)[:, None] * scale.astype(np.float32)
    return np.asarray((levels - mean) / std, dtype=np.float32)


def _levels_of(pixels: Pixels, how: Preprocessing) -> NDArray[np.float32]:
    """What each level of a channel of this very crop becomes, (256, 3): found from how often each occurs."""
    # One channel's counts are (256,) or (256, 1), as OpenCV's version has it.
    channels = [cv2.calcHist([pixels], [channel], None, [256], [0, 256]) for channel in range(3)]
    counts = np.stack([channel.ravel() for channel in channels], axis=1).astype(np.float64)
    levels = _levels(how.top, tuple(how.mean), tuple(how.std))
    size = pixels.shape[0] * pixels.shape[1]
    if how.grey_world:
        level = np.maximum(np.arange(256) @ counts / size / 255.0, DARK)
        scale = level.mean() / level * (how.top / 255.0)
        levels = _normal(scale, np.asarray(how.mean, np.float32), np.asarray(how.std, np.float32))
    if how.standardize:
        mean = (levels * counts).sum() / (3 * size)
        spread = np.sqrt((np.square(levels - mean) * counts).sum() / (3 * size))
        levels = ((levels - mean) / max(float(spread), FLAT)).astype(np.float32)
    return levels


def to_tensor(crop: Pixels, how: Preprocessing) -> NDArray[np.float32]:
    """Returns a crop (h, w, 3) uint8 RGB as (3, h, w) float32, normalised as the card says."""
    pixels = np.ascontiguousarray(crop[:, :, ::-1]) if how.color == "BGR" else crop
    if how.grey_world or how.standardize:
        levels = _levels_of(pixels, how)
    else:
        levels = _levels(how.top, tuple(how.mean), tuple(how.std))
    return np.ascontiguousarray(cv2.LUT(pixels, levels[None]).transpose(2, 0, 1))
