"""Crops as `data prepare` writes them, decoded by OpenCV, which takes three quarters of Pillow's time."""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from facetrust.imaging.pixels import MAX_PIXELS, MIN_SIDE, Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PLAIN = {b"IHDR", b"IDAT", b"IEND", b"tEXt"}  # Nothing that changes what the pixels mean.
_RGB = bytes((8, 2, 0, 0, 0))  # Bits, kind of colour, compression, filters, interlace.


def decode_plain_png(data: bytes) -> Pixels | None:
    """Returns an undamaged PNG of 8-bit RGB without profile, transparency or turn as (H, W, 3) uint8 RGB.

    The pixels are those of `decode_image`, for a PNG loses none. None of all other bytes, about which that
    has to say what they are, or what is wrong with them.
    """
    if not _is_plain(data):
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _is_plain(data: bytes) -> bool:
    """Whether the chunks are all there, in their right sums, and none but those of plain RGB."""
    if not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR" or data[24:29] != _RGB:
        return False
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE:
        return False
    start, kind = len(_SIGNATURE), b""
    while start < len(data) and kind != b"IEND":
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        kind, stated = data[start + 4 : start + 8], data[end : end + 4]
        if kind not in _PLAIN or zlib.crc32(data[start + 4 : end]).to_bytes(4, "big") != stated:
            return False
        start = end + 4
    return kind == b"IEND"
