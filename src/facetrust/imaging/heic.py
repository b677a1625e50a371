"""HEIC and HEIF, which Pillow opens with the help of another package."""

from __future__ import annotations

import io
from importlib.util import find_spec

from PIL import Image

from facetrust.errors import ImageError, MissingExtra

HEIC = (".heic", ".heif", ".hif")
_BRANDS = (b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(data: bytes) -> bool:
    """Whether encoded bytes are HEIC or HEIF; AVIF, which is packed alike, is not."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS and b"avif" not in data[12:64]


def can_open_heic() -> bool:
    """Whether the package that opens HEIC is installed."""
    return find_spec("pillow_heif") is not None


def open_heic(data: bytes, source: str) -> Image.Image:
    """Returns a HEIC picture, whose pixels are decoded when they are first asked for.

    Raises:
        ImageError: the package is not installed; the message names the extra.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise ImageError(f"{source}: is HEIC; {MissingExtra('pillow-heif', 'heic')}") from None
    picture: Image.Image = HeifImageFile(io.BytesIO(data))
    return picture
