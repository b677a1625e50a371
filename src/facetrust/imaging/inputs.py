"""What people hand in: files, folders, globs and lists become sources, and a source a picture or a video."""

from __future__ import annotations

import glob
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import features

from facetrust.errors import ImageError, InputError, MissingExtra, PastLimit, UsageError, first_line
from facetrust.imaging.animation import is_animation
from facetrust.imaging.heic import HEIC, can_open_heic
from facetrust.imaging.pixels import MAX_BYTES, MIN_SIDE, Pixels, decode_image, picture_pixels, read_image
from facetrust.imaging.regular_file import is_address, size_of
from facetrust.imaging.video import HEAD, VIDEOS, looks_like_video
from facetrust.imaging.video import MAX_BYTES as MAX_VIDEO_BYTES

PICTURES = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
EVIDENCE, PARTS = ".evidence.png", ".parts.png"  # How pictures end that `check --evidence` and `parse` write.
_FEATURES = {".avif": "avif", ".j2k": "jpg_2000", ".jp2": "jpg_2000", ".webp": "webp"}  # Of Pillow.
_CODE = (".mts", ".ts")  # TypeScript's files are named as transport streams are.
_SURROGATE = re.compile("[\ud800-\udfff]")  # How Python carries bytes of a name that are not UTF-8.

Color = Literal["RGB", "BGR"]


class Picture(NamedTuple):
    """A decoded picture (H, W, 3) uint8 RGB and the name that reports call it by."""

    name: str
    image: Pixels


class Video(NamedTuple):
    """A video or a picture of several frames, as a path or encoded, and the name that reports call it by."""

    name: str
    source: Any


class Encoded(NamedTuple):
    """The bytes of a picture or video and the name that reports call them by."""

    name: str
    data: bytes


class Inputs(NamedTuple):
    """What paths stand for: sources to check, files of folders that are left out, and what is wrong."""

    sources: list[str | Path | Encoded]
    skipped: list[Path]
    errors: list[InputError]


def inputs_in(paths: Iterable[str | Path], *, stdin: Any = None) -> Inputs:
    """Returns files as they are, and the pictures and videos of folders and globs, in a stable order.

    Where `stdin` is given, a file object open for bytes, the path `-` stands for what it holds. Folders are
    searched deeply. Hidden files, evidence pictures and masks of parts are passed over; all else that is
    neither a picture nor a video, or that this build cannot decode, is `skipped`.
    """
    found = Inputs([], [], [])
    for path in map(str, paths):
        if path == "-" and stdin is not None:
            _add_stream(stdin, found)
            continue
        before = len(found.sources) + len(found.skipped)
        matches = _matches(path)
        for each in matches:
            _add(each, found)
        if not matches:
            found.errors.append(InputError(f"{path}: no file matches"))
        elif len(found.sources) + len(found.skipped) == before:
            found.errors.append(InputError(f"{path}: {_nothing()}"))
    return found


def files_in(paths: Iterable[str | Path]) -> list[str | Path | Encoded]:
    """Returns the sources of `inputs_in`.

    Raises:
        InputError: a folder or glob holds none, or a folder cannot be read.
    """
    sources: list[str | Path | Encoded] = []
    for path in paths:
        found = inputs_in([path])
        if found.errors:
            raise found.errors[0]
        if not found.sources:
            raise InputError(f"{path}: {_nothing()}")
        sources += found.sources
    return sources


def picture_suffixes() -> tuple[str, ...]:
    """Returns the suffixes of the pictures that this installation can decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # An older Pillow says that it knows nothing of AVIF.
        lacking = {suffix for suffix, feature in _FEATURES.items() if not features.check(feature)}
    known = tuple(suffix for suffix in PICTURES if suffix not in lacking)
    return (*known, *HEIC) if can_open_heic() else known


def skipped_message(skipped: Sequence[Path]) -> str:
    """Returns what is to be said of files that were left out, with the extra that opens some of them."""
    count = f"{len(skipped)} file{'s'[: len(skipped) > 1]}"
    heic = sum(path.suffix.lower() in HEIC for path in skipped)
    extra = f"; {heic} of them HEIC: {MissingExtra('pillow-heif', 'heic')}" if heic else ""
    return f"{count} skipped, neither a picture nor a video that can be decoded here{extra}"


def name_of(source: Any) -> str:
    """Returns what reports call a source: its path, or its kind in angle brackets.

    Bytes of a path that are not UTF-8 are replaced, so that every name can be written down.
    """
    if isinstance(source, str | Path):
        return _SURROGATE.sub("\ufffd", str(source))
    named = getattr(source, "name", None) or getattr(source, "filename", None)
    return name_of(named) if isinstance(named, str) and named else f"<{type(source).__name__}>"


def is_video(source: Any) -> bool:
    """Whether a source is a video: a path by its suffix, bytes or an unknown suffix by how they begin.

    So is a picture of several frames or pages.
    """
    if not isinstance(source, str | Path):
        data = _data_of(source)
        return data is not None and (looks_like_video(bytes(data[:HEAD])) or is_animation(data))
    suffix = Path(source).suffix.lower()
    if suffix in VIDEOS or (suffix not in (*PICTURES, *HEIC) and _begins_as_video(source)):
        return True
    return is_animation(source)


def loaded(source: Any) -> Any:
    """Returns a file object as `Encoded`, and every other source as it is.

    Raises:
        ImageError: more bytes than a picture or a video may have.
    """
    if not hasattr(source, "read"):
        return source
    name = name_of(source)
    try:
        data = _read(source, HEAD)
        limit = MAX_VIDEO_BYTES if looks_like_video(data) else MAX_BYTES
        data += _read(source, limit + 1 - len(data))
    except TypeError:
        raise ImageError(f"{name}: is open for text; open it for bytes") from None
    except (OSError, ValueError) as error:  # ValueError: it is closed.
        raise ImageError(f"{name}: cannot be read ({first_line(error)})") from None
    if len(data) > limit:
        raise PastLimit(f"{name}: more than {limit} bytes, which is the limit")
    return Encoded(name, data)


def read_source(source: Any, *, color: Color = "RGB") -> Picture:
    """Returns a source that is no video as a picture.

    Args:
        source: a path, encoded bytes, `Encoded`, a file object open for bytes, a PIL image, or an array
            (H, W) grey, (H, W, 1), (H, W, 3) or (H, W, 4) uint8; transparency is laid on white.
        color: order of an array's channels.

    Raises:
        ImageError: it cannot be read, or is of another kind, shape or number type.
        UsageError: no such order of channels.
    """
    name = name_of(source)
    if isinstance(source, str | Path):
        return Picture(name, read_image(source))
    if (data := _data_of(loaded(source))) is not None:
        return Picture(name, decode_image(bytes(data), name))
    if isinstance(source, np.ndarray):
        return Picture(name, _from_array(source, name, color))
    if hasattr(source, "getbands"):
        return Picture(name, picture_pixels(source, name))
    if isinstance(source, int):
        raise ImageError(f"{source}: cameras are not read yet; give a picture, or a video of one")
    raise ImageError(
        f"{name}: cannot be read; give a path, bytes, a file object, a PIL image or a uint8 array"
    )


@contextmanager
def video_file(source: Any) -> Iterator[Path]:
    """Gives the file of a video; bytes are put into one that is removed afterwards.

    Raises:
        ImageError: that file cannot be written; and errors about it are given the source's name.
    """
    data = _data_of(source)
    if data is None:
        yield Path(source)
        return
    name = name_of(source)
    with tempfile.TemporaryDirectory(prefix="facetrust-") as folder:
        path = Path(folder) / "video"
        try:
            path.write_bytes(data)
        except OSError as error:
            raise ImageError(
                f"{name}: cannot be kept in {folder} while it is read ({error.strerror})"
            ) from None
        try:
            yield path
        except ImageError as error:
            raise type(error)(str(error).replace(str(path), name)) from None


def _read(file: Any, count: int) -> bytes:
    """Up to `count` bytes; a file object may give fewer at once than there are."""
    data = b""
    while len(data) < count and (part := file.read(count - len(data))):
        data += part
    return data


def _data_of(source: Any) -> bytes | bytearray | memoryview | None:
    if isinstance(source, Encoded):
        return source.data
    return source if isinstance(source, bytes | bytearray | memoryview) else None


def _matches(path: str) -> list[str]:
    """A path as it is, or the paths that a glob stands for."""
    if os.path.lexists(path) or is_address(path) or "\0" in path or not glob.has_magic(path):
        return [path]
    return sorted(glob.glob(path, recursive=True))


def _nothing() -> str:
    return f"no picture in it, nor a video; looked for {', '.join((*picture_suffixes(), *VIDEOS))}"


def _add_stream(stream: Any, found: Inputs) -> None:
    """Adds what is on standard input."""
    try:
        found.sources.append(loaded(stream)._replace(name="<stdin>"))
    except InputError as error:
        found.errors.append(error)


def _add(path: str, found: Inputs) -> None:
    """Adds a file, or what is in a folder, to what was found."""
    if is_address(path) or not os.path.isdir(path):
        found.sources.append(path if is_address(path) else Path(path))
        return
    known = picture_suffixes()
    for each in sorted(_walk(path, found)):
        suffix = each.suffix.lower()
        if suffix in known or (suffix in VIDEOS and (suffix not in _CODE or _begins_as_video(each))):
            found.sources.append(each)
        else:
            found.skipped.append(each)


def _walk(folder: str, found: Inputs) -> Iterator[Path]:
    """All files in a folder that are neither hidden nor evidence, and the links to folders, not followed."""

    def fail(error: OSError) -> None:
        found.errors.append(InputError(f"{error.filename}: cannot be read ({error.strerror})"))

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*names, *links):
            if not name.startswith(".") and not name.lower().endswith((EVIDENCE, PARTS)):
                yield Path(place, name)


def _begins_as_video(path: str | Path) -> bool:
    """Whether a regular file's first bytes are those of a video."""
    try:
        size_of(path, limit=MAX_VIDEO_BYTES, kind="a video")
        with Path(path).open("rb") as file:
            return looks_like_video(file.read(HEAD))
    except (ImageError, OSError):
        return False


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
