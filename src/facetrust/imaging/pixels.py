"""A file becomes an RGB array, within stated limits."""

from __future__ import annotations

import io
import logging
import math
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from facetrust.errors import ImageError, PastLimit, first_line
from facetrust.imaging.heic import is_heic, open_heic
from facetrust.imaging.regular_file import size_of

Pixels = NDArray[np.uint8]

MAX_BYTES = 64 * 1024 * 1024
CLASS_NAMES = "facetrust.classes"
MAX_PIXELS = 50_000_000
MIN_SIDE = 8
# Decoders of Pillow that are used; others run programs of their own (EPS) or read what no camera writes.
FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP",
)  # fmt: skip
_JPEG, _END = b"\xff\xd8\xff", b"\xff\xd9"
_SRGB = ImageCms.createProfile("sRGB")
_log = logging.getLogger("facetrust")


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
    size = size_of(path, limit=MAX_BYTES, kind="an image")
    try:
        with Path(path).open("rb") as file:
            return file.read(size)  # A file that still grows is cut, and then damaged.
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None


def decode_image(data: bytes, source: str) -> Pixels:
    """Returns encoded bytes as (H, W, 3) uint8 RGB; `source` names them in errors.

    Grey, palette, CMYK and 16-bit pictures become 8-bit RGB, colour profiles sRGB; transparency is laid on
    white. A JPEG that lacks nothing but its last two bytes, the end mark, is decoded with a warning.
    """
    if not data:
        raise ImageError(f"{source}: is empty; give an image file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_heic(data, source) if is_heic(data) else _opened(data, source) as picture:
                return picture_pixels(picture, source)
    except UnidentifiedImageError:
        raise ImageError(f"{source}: is not an image of a known format") from None
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise PastLimit(f"{source}: has too many pixels; the limit is {MAX_PIXELS}") from None
    except Exception as error:  # Pillow's plugins raise whatever their decoder meets.
        raise ImageError(f"{source}: is damaged ({type(error).__name__}: {first_line(error)})") from None


def picture_pixels(picture: Image.Image, source: str) -> Pixels:
    """Returns a Pillow image as (H, W, 3) uint8 RGB, turned upright by its EXIF tag.

    Raises:
        ImageError: past a limit.
    """
    check_size(picture.size, source)
    picture = _in_srgb(picture)
    picture.load()  # A PNG may have its EXIF data behind its pixels.
    if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # Else a copy is all that would come of it.
        picture = ImageOps.exif_transpose(picture)
    return _to_rgb(picture, source)


def read_mask(path: str | Path) -> tuple[Pixels, tuple[str, ...]]:
    """Returns the class indices in a mask file, and the classes' names in their order, if the file has them.

    Indices are (H, W) uint8: a palette picture's own, or grey values. A PNG written by `data prepare` has the
    names in its text `CLASS_NAMES`, with commas between.

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
        names = str(picture.info.get(CLASS_NAMES, ""))
        return np.array(picture, dtype=np.uint8), tuple(names.split(",")) if names else ()


def check_size(size: tuple[int, int], source: str) -> None:
    """Checks a picture's (width, height).

    Raises:
        PastLimit: past `MAX_PIXELS`.
        ImageError: below `MIN_SIDE`.
    """
    width, height = size
    if width * height > MAX_PIXELS:
        raise PastLimit(f"{source}: {width}x{height} pixels; the limit is {MAX_PIXELS} in all")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{source}: {width}x{height} pixels; at least {MIN_SIDE} a side are needed")


def open_picture(data: bytes) -> Image.Image:
    """Returns encoded bytes as a Pillow image of one of `FORMATS`, not decoded yet; Pillow's own errors."""
    Image.init()
    return Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name in Image.ID])


def _opened(data: bytes, source: str) -> Image.Image:
    picture = open_picture(data)
    if not data.startswith(_JPEG) or _END in data[-64:]:
        return picture
    check_size(picture.size, source)
    whole = open_picture(data + _END)
    whole.load()
    corner = np.asarray(whole.convert("L"))[-8:, -8:]
    if np.ptp(corner) == 0:  # What is lacking is filled with one grey.
        raise ImageError(f"{source}: is damaged (it ends before its last row)")
    _log.warning("%s: lacks its end mark; decoded without it", source)
    return whole


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The picture with its colour profile applied; as it is where it has none, or one that cannot be used."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(picture, own, _SRGB, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    return picture if converted is None else converted


def _to_rgb(picture: Image.Image, source: str) -> Pixels:
    if picture.mode.startswith(("I", "F")):
        grey = _eight_bits(np.asarray(picture, dtype=np.float64), source)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _eight_bits(values: NDArray[np.float64], source: str) -> Pixels:
    """Grey values by the smallest range that holds them: 0 to 1, or the bits of a sensor (8 to 16)."""
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise ImageError(f"{source}: has values outside 0 to 65535, for which no grey is defined")
    largest = float(values.max())
    fraction = largest <= 1 and not np.array_equal(values, values.round())
    top = 1.0 if fraction else next(2.0**bits - 1 for bits in (8, 10, 12, 14, 16) if largest < 2**bits)
    return np.asarray(np.clip(np.rint(values * (255.0 / top)), 0, 255), dtype=np.uint8)


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
