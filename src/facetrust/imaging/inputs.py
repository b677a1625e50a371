"""What people hand in: files, folders, globs and lists become sources, and a source a picture or a video."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, InputError, UsageError
from facetrust.imaging.pixels import MIN_SIDE, Pixels, decode_image, picture_pixels, read_image
from facetrust.imaging.video import VIDEOS, looks_like_video

if TYPE_CHECKING:
    pass

PICTURES = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
Color = Literal["RGB", "BGR"]
Source = "str | Path | bytes | NDArray[Any] | Image | BinaryIO"


class Picture(NamedTuple):
    """A decoded picture (H, W, 3) uint8 RGB and the name that reports call it by."""

    name: str
    image: Pixels


class Video(NamedTuple):
    """A video's file and the name that reports call it by; `temporary` if it is to be removed afterwards."""

    name: str
    path: Path
    temporary: bool = False


def files_in(paths: Iterable[str | Path]) -> list[Path]:
    """Returns files as they are, and the pictures and videos of folders and globs, in a stable order.

    Folders are searched deeply; what is hidden is left out.

    Raises:
        InputError: a folder or glob holds none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(_walk(path))
        elif glob.has_magic(str(path)) and not path.exists():
            inside = sorted(map(Path, glob.glob(str(path), recursive=True)))
        else:
            inside = [path]
        if not inside:
            looked_for = ", ".join((*PICTURES, *VIDEOS))
            raise InputError(f"{path}: no picture in it, nor a video; looked for {looked_for}")
        found += inside
    return found


def name_of(source: Any) -> str:
    """Returns what reports call a source: its path, or its kind in angle brackets."""
    if isinstance(source, str | Path):
        return str(source)
    named = getattr(source, "name", None) or getattr(source, "filename", None)
    return str(named) if isinstance(named, str) and named else f"<{type(source).__name__}>"


def is_video(source: Any) -> bool:
    """Whether a source is a video: a path by its suffix, bytes by how they begin."""
    if isinstance(source, str | Path):
        return str(source).lower().endswith(VIDEOS)
    return isinstance(source, bytes) and looks_like_video(source[:12])


def read_source(source: Any, *, color: Color = "RGB") -> Picture:
    """Returns a source that is no video as a picture.

    Args:
        source: a path, encoded bytes, a file object open for bytes, a PIL image, or an array (H, W) grey,
            (H, W, 1), (H, W, 3) or (H, W, 4) uint8; transparency is laid on white.
        color: order of an array's channels.

    Raises:
        ImageError: it cannot be read, or is of another kind, shape or number type.
        UsageError: no such order of channels.
    """
    name = name_of(source)
    if isinstance(source, str | Path):
        return Picture(name, read_image(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return Picture(name, decode_image(bytes(source), name))
    if isinstance(source, np.ndarray):
        return Picture(name, _from_array(source, name, color))
    if hasattr(source, "read"):
        return Picture(name, decode_image(source.read(), name))
    if hasattr(source, "getbands"):
        return Picture(name, picture_pixels(source, name))
    raise ImageError(
        f"{name}: cannot be read; give a path, bytes, a file object, a PIL image or a uint8 array"
    )


@contextmanager
def video_file(source: Any) -> Iterator[Path]:
    """Gives the file of a video; bytes are put into one that is removed afterwards."""
    if not isinstance(source, bytes):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="facetrust-") as folder:
        path = Path(folder) / "video"
        path.write_bytes(source)
        yield path


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower().endswith((*PICTURES, *VIDEOS)):
                yield Path(place, name)


def _from_array(array: NDArray[Any], name: str, color: Color) -> Pixels:
    if color not in ("RGB", "BGR"):
        raise UsageError(f"color {color!r}: the channels of an array are in the order RGB or BGR")
    shape = array.shape
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (1, 3, 4))):
        raise ImageError(
            f"{name}: is {array.dtype} {shape}; give a (H, W), (H, W, 3) or (H, W, 4) uint8 array, RGB or BGR"
        )
    if min(shape[:2]) < MIN_SIDE:
        raise ImageError(f"{name}: {shape[1]}x{shape[0]} pixels; at least {MIN_SIDE} a side are needed")
    if array.ndim == 2 or shape[2] == 1:
        return np.repeat(array.reshape(*shape[:2], 1), 3, axis=2)
    colours = array[:, :, :3] if color == "RGB" else array[:, :, 2::-1]
    if shape[2] == 4:
        alpha = array[:, :, 3:].astype(np.float32) / 255
        colours = np.rint(colours * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(colours)
