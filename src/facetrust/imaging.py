"""Pixels: a file becomes an RGB array, a box becomes a crop, a crop becomes a tensor.

Training and serving both come through here, so that they cannot disagree.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from facetrust.errors import ImageError
from facetrust.records import Box, Fill, Preprocessing, Sample

Pixels = NDArray[np.uint8]

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000
MIN_SIDE = 8
_FILLS = {"zero": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE}


def read_image(path: str | Path) -> Pixels:
    """Returns the picture in a file as (H, W, 3) uint8 RGB, turned upright by its EXIF tag.

    Raises:
        ImageError: missing, a directory, empty, truncated, not an image, or past a limit
            (`MAX_BYTES`, `MAX_PIXELS`, `MIN_SIDE`).
    """
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: str | Path) -> bytes:
    """Returns a file's bytes.

    Raises:
        ImageError: missing, a directory, unreadable, or more than `MAX_BYTES`.
    """
    path = Path(path)
    if path.is_dir():
        raise ImageError(f"{path}: is a directory; give an image file")
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ImageError(f"{path}: {size} bytes; the limit is {MAX_BYTES}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None


def decode_image(data: bytes, source: str) -> Pixels:
    """Returns encoded bytes as (H, W, 3) uint8 RGB; `source` names them in errors.

    Grey, palette, CMYK and 16-bit pictures become 8-bit RGB; transparency is laid on white.
    """
    if not data:
        raise ImageError(f"{source}: is empty; give an image file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                _check_size(picture.size, source)
                return _to_rgb(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError:
        raise ImageError(f"{source}: is not an image of a known format") from None
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{source}: has too many pixels; the limit is {MAX_PIXELS}") from None
    except Exception as error:  # Pillow's plugins raise whatever their decoder meets.
        raise ImageError(
            f"{source}: is damaged ({type(error).__name__}: {error})".replace("\n", " ")
        ) from None


def _check_size(size: tuple[int, int], source: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{source}: {width}x{height} pixels; the limit is {MAX_PIXELS} in all")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{source}: {width}x{height} pixels; at least {MIN_SIDE} a side are needed")


def _to_rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else 255.0
        grey = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.array(picture.convert("RGB"))


def box_of(sample: Sample, image: Pixels) -> Box:
    """Returns the row's box x, y, w, h in pixels, or the whole picture where it has none."""
    if sample.x is None or sample.y is None or sample.w is None or sample.h is None:
        return (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    return (sample.x, sample.y, sample.w, sample.h)


def crop_face(image: Pixels, box: Box, how: Preprocessing, *, margin: float | None = None) -> Pixels:
    """Returns the face and its surroundings, resized to `how.size`, as (h, w, 3) uint8 RGB.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: x, y, w, h of the face in pixels; may reach outside the image.
        margin: side of the crop over side of the box; the first of `how.margins` if none is given.
    """
    scale = how.margins[0] if margin is None else margin
    x, y, w, h = box
    side = max(w, h)
    width, height = (side, side) if how.square else (w, h)
    cut = cut_out(image, (x + w / 2, y + h / 2), (height * scale, width * scale), fill=how.fill)
    shrinking = cut.shape[0] > how.size[0]
    method = cv2.INTER_AREA if how.resize == "area" and shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (how.size[1], how.size[0]), interpolation=method), dtype=np.uint8)


def cut_out(image: Pixels, centre: tuple[float, float], size: tuple[float, float], *, fill: Fill) -> Pixels:
    """Returns the window of `size` (height, width) around `centre` (x, y), whatever lies outside filled.

    `"shift"` moves the window back inside, and shrinks it where the image is smaller; the other
    fills invent pixels: black, mirrored, or the border's repeated.
    """
    height, width = image.shape[:2]
    tall, wide = size
    if fill == "shift":
        ratio = min(1.0, height / tall, width / wide)
        tall, wide = tall * ratio, wide * ratio
        centre = (
            min(max(centre[0], wide / 2), width - wide / 2),
            min(max(centre[1], tall / 2), height - tall / 2),
        )
    left, top = round(centre[0] - wide / 2), round(centre[1] - tall / 2)
    right, bottom = left + max(1, round(wide)), top + max(1, round(tall))
    if fill == "shift":
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
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
    left, top = left + pads[2], top + pads[0]
    return np.asarray(
        padded[top : top + max(1, round(tall)), left : left + max(1, round(wide))], dtype=np.uint8
    )


def to_tensor(crop: Pixels, how: Preprocessing) -> NDArray[np.float32]:
    """Returns a crop (h, w, 3) uint8 RGB as (3, h, w) float32, normalised as the card says."""
    pixels = crop[:, :, ::-1] if how.color == "BGR" else crop
    scaled = pixels.astype(np.float32) * np.float32(how.top / 255.0)
    normal = (scaled - np.asarray(how.mean, np.float32)) / np.asarray(how.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1))


def quarter_turn(image: Pixels, turns: int) -> Pixels:
    """Returns the picture turned counter-clockwise by `turns` times 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, turns))


def fit_within(image: Pixels, longest: int) -> tuple[Pixels, float]:
    """Returns the picture shrunk so that no side passes `longest`, and the factor it was shrunk by (<= 1)."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image, 1.0
    size = (max(1, math.floor(image.shape[1] * factor)), max(1, math.floor(image.shape[0] * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), factor
