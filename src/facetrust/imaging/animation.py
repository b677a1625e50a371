"""Pictures that move: GIF, APNG, WebP and AVIF of several frames, and TIFF of several pages, as videos."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from facetrust.errors import ImageError, PastLimit, first_line
from facetrust.imaging.pixels import (
    MAX_BYTES,
    Pixels,
    check_size,
    open_picture,
    picture_pixels,
    read_bytes,
)

PAGE = 1.0  # Seconds that a page of a TIFF counts for.
MAX_DECODED = 4_000_000_000  # Pixels of all frames together: half an hour of 480x270 at 15 per second.

_SHORT, _USUAL = 0.011, 0.1  # Seconds: browsers show for the second what asks for less than the first.
_ANIMATED = 2  # A bit of the flags in a WebP's extended header.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SNIFFED = 64 * 1024  # Bytes in which a PNG that moves says so, unless a longer profile comes first.


def is_animation(source: str | Path | bytes | bytearray | memoryview) -> bool:
    """Returns whether a file or encoded bytes are a picture of several frames or pages.

    Of a JPEG that holds several pictures (MPO) the others are previews, depths and gains: it is none.
    """
    try:
        if not isinstance(source, str | Path):
            return _may_move(bytes(source[:_SNIFFED])) and _moves(bytes(source))
        path = Path(source)
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        with path.open("rb") as file:
            if not _may_move(file.read(_SNIFFED)):
                return False
        return _moves(read_bytes(path))
    except (OSError, ValueError, ImageError):
        return False


def _may_move(start: bytes) -> bool:
    """Whether these first bytes allow for several frames, so that most pictures need not be opened."""
    if start.startswith(b"\x89PNG"):
        return b"acTL" in start
    if start[:4] == b"RIFF":
        return start[8:16] == b"WEBPVP8X" and bool(start[20:21]) and bool(start[20] & _ANIMATED)
    if start[4:8] == b"ftyp":
        return b"avis" in start[8:64]
    return start.startswith((b"GIF8", *_TIFF))


def _moves(data: bytes) -> bool:
    try:
        with _quiet(), open_picture(data) as picture:
            return bool(getattr(picture, "is_animated", False))
    except Exception:  # As `decode_image`, which then refuses it.
        return False


class AnimationDecoder:
    """Decodes a picture's frames with Pillow; see `facetrust.imaging.decoders.Decoder`.

    A frame is shown for as long as the file says, and a tenth of a second where that is less than browsers
    show; a page of a TIFF for one second.

    Raises:
        ImageError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        data = read_bytes(path)
        try:
            with _quiet():
                self._picture: Image.Image = open_picture(data)
        except Exception as error:
            raise ImageError(f"{path}: is damaged ({type(error).__name__}: {first_line(error)})") from None
        self.paged = self._picture.format == "TIFF"
        self._index = -1
        self._decoded = 0
        self.time, self.lasting = 0.0, 0.0
        self.rate, self.promised = math.nan, 0.0

    def grab(self) -> bool:
        """Goes to the next frame; False where none follows.

        Raises:
            ImageError: it is damaged, or a limit is passed.
        """
        try:
            with _quiet():
                self._picture.seek(self._index + 1)
                check_size(self._picture.size, str(self._path))
                self._decoded += math.prod(self._picture.size)
                if self._decoded > MAX_DECODED:
                    raise PastLimit(
                        f"{self._path}: more than {MAX_DECODED} pixels in all its frames; shorten it"
                    )
                self._picture.load()
        except EOFError:
            return False
        except ImageError:
            raise
        except Exception as error:  # Pillow's plugins raise whatever their decoder meets.
            why = f"{type(error).__name__}: {first_line(error)}"
            raise ImageError(f"{self._path}: frame {self._index + 1} is damaged ({why})") from None
        self.time += self.lasting
        self.lasting = self._seconds()
        self._index += 1
        return True

    def retrieve(self) -> Pixels:
        """Returns the frame last grabbed."""
        with _quiet():
            return picture_pixels(self._picture, str(self._path))

    def close(self) -> None:
        """Lets the file go."""
        self._picture.close()

    def _seconds(self) -> float:
        if self.paged:
            return PAGE
        told = self._picture.info.get("duration") or 0
        seconds = float(told) / 1000
        return seconds if seconds >= _SHORT else _USUAL


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's warnings are not for those who check."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
