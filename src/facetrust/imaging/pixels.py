"""A file becomes an RGB array, within stated limits."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from facetrust.errors import ImageError, first_line
from facetrust.imaging.heic import is_heic, open_heic
from facetrust.imaging.regular_file import size_of

Pixels = NDArray[np.uint8]

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000
MIN_SIDE = 8


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
        ImageError: missing, no regular file, unreadable, or more than `MAX_BYTES`.
    """
    size_of(path, limit=MAX_BYTES, kind="an image")
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)  # A file that still grows is cut, and then damaged.
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
            with open_heic(data, source) if is_heic(data) else Image.open(io.BytesIO(data)) as picture:
                return picture_pixels(picture, source)
    except UnidentifiedImageError:
        raise ImageError(f"{source}: is not an image of a known format") from None
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{source}: has too many pixels; the limit is {MAX_PIXELS}") from None
    except Exception as error:  # Pillow's plugins raise whatever their decoder meets.
        raise ImageError(f"{source}: is damaged ({type(error).__name__}: {first_line(error)})") from None


def picture_pixels(picture: Image.Image, source: str) -> Pixels:
    """Returns a Pillow image as (H, W, 3) uint8 RGB, turned upright by its EXIF tag.

    Raises:
        ImageError: past a limit.
    """
    _check_size(picture.size, source)
    return _to_rgb(ImageOps.exif_transpose(picture))


def read_indices(path: str | Path) -> Pixels:
    """Returns the class indices in a mask file as (H, W) uint8: a palette picture's own, or grey values.

    Raises:
        ImageError: as `read_image`, or the picture has colours that are no indices.
    """
    data = read_bytes(path)
    decode_image(data, str(path))  # Its limits and its errors hold for masks too.
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode not in ("P", "L", "1"):
            raise ImageError(
                f"{path}: has {picture.mode} pixels; a mask holds class indices, as palette or grey"
            )
        return np.array(picture, dtype=np.uint8)


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
