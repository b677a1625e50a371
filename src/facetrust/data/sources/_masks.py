"""What the sources of parts share: a picture per class becomes one mask of class indices."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from facetrust.errors import ImageError, ManifestError
from facetrust.imaging import Pixels, read_image
from facetrust.records import write_whole


def merged_at(path: Path, picture: Path, make: Callable[[tuple[int, int]], Pixels]) -> Path:
    """Returns the mask at `path`, which is made for the picture's (height, width) if it is not there.

    Raises:
        ManifestError: the picture cannot be read.
    """
    if not path.is_file():
        try:
            with Image.open(picture) as opened:
                size = opened.height, opened.width
        except OSError:
            raise ManifestError(f"{picture}: is no picture; unpack the data set again") from None
        content = io.BytesIO()
        Image.fromarray(make(size)).save(content, "PNG")
        write_whole(path, content.getbuffer())
    return path


def grey(path: Path) -> Pixels:
    """Returns the levels (H, W) uint8 of a picture of one class.

    Raises:
        ManifestError: it cannot be read.
    """
    try:
        return read_image(path)[:, :, 0]
    except ImageError as error:
        raise ManifestError(str(error)) from None
