"""Videos: frames of a file become RGB arrays with their times, decoded from its beginning.

Seeking is not exact in AVI and MOV, so a frame is reached by decoding all that come before it. Pictures
that move are videos too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, PastLimit, UsageError
from facetrust.imaging.animation import AnimationDecoder, is_animation
from facetrust.imaging.decoders import Decoder, OpenCvDecoder, open_with_pyav
from facetrust.imaging.pixels import Pixels
from facetrust.imaging.regular_file import size_of

VIDEOS = (
    ".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
    ".ts", ".webm", ".wmv",
)  # fmt: skip
MAX_BYTES = 2 * 1024**3  # Minutes of 4K from a telephone. A longer film is no clip of a face.
MAX_FRAMES = 108_000  # An hour at 30 a second. A damaged file may decode without end.

_USUAL = 25.0  # Frames per second where the time stamps are of no use.
_FASTEST = 1000.0  # No camera is faster than this.
_WHOLE = 0.9  # Some headers are a few frames off; a file that lacks more than a tenth was cut off.
HEAD = 400  # Bytes at the beginning of a file, which tell its format.
# How Matroska and WebM, MPEG's programme streams, WMV, FLV and Ogg begin.
_STARTS = (
    b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"FLV\x01", b"OggS",
)  # fmt: skip
# What follows the first four bytes of MP4, MOV and 3GP, and the brands of pictures that begin so too.
ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_PICTURES = (b"avif", b"avis", b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
# Where three packets of an MPEG transport stream begin with a G, as it is sent and as discs hold it.
_PACKETS = ((0, 188, 376), (4, 196, 388))


def looks_like_video(start: bytes) -> bool:
    """Returns whether a file that begins with these `HEAD` bytes is of a format in `VIDEOS`."""
    if start[:4] == b"RIFF":  # WebP begins so too.
        return start[8:12] == b"AVI "
    if start[4:8] == b"ftyp":
        return start[8:12] not in _PICTURES
    packets = any(all(start[at : at + 1] == b"G" for at in places) for places in _PACKETS)
    return (packets and not start.startswith(b"GIF8")) or start[4:8] in ATOMS or start.startswith(_STARTS)


class Timing(NamedTuple):
    """When each frame of a video is shown: `times` (N,) in seconds from the first, rising, and the end.

    `paged` says that they are the pages of a picture, which follow one another in no time.
    """

    times: NDArray[np.float64]
    end: float
    paged: bool = False


def timing_of(path: str | Path, *, longest: float = math.inf) -> Timing:
    """Returns when the frames of a video are shown, by the container's presentation time stamps.

    The last frame is taken to be shown for one over the header's frames per second. Where the stamps are of
    no use, as those of recorders that write ticks of their clock, 25 frames per second are assumed.

    Args:
        path: the video.
        longest: seconds; a longer one is refused, by its header before a frame is decoded.

    Raises:
        PastLimit: longer than `longest`, or more than `MAX_FRAMES` frames can be decoded.
        ImageError: as `iter_frames`, or no frame can be decoded, or the video ends before nine tenths of the
            time that its header promises: it was cut off.
    """
    times: list[float] = []
    with _opened(path) as video:
        if video.rate > 0 and longest < video.promised / video.rate < math.inf:
            raise _too_long(path, longest)
        while video.grab():
            times.append(video.time)
            if len(times) > MAX_FRAMES:
                raise _too_many(path)
            if video.time > longest or len(times) > longest * _FASTEST:
                raise _too_long(path, longest)
        if not times:
            raise ImageError(f"{path}: no frame of it can be decoded")
        lasting, promised, rate, paged = video.lasting, video.promised, video.rate, video.paged
    rising = np.maximum.accumulate(np.asarray(times, np.float64))
    if not lasting > 0:
        lasting = float(np.median(np.diff(rising))) if len(times) > 1 else 1 / _USUAL
    if len(times) / max(rising[-1] + lasting, 1e-9) > _FASTEST:
        rising, lasting = np.arange(len(times)) / _USUAL, 1 / _USUAL
    elif rate > 0 and 0 < promised <= MAX_FRAMES and _counts_frames(path):
        _check_end(path, rising[-1] + lasting, promised / rate)
    return Timing(rising, float(rising[-1] + lasting), paged)


def _check_end(path: str | Path, end: float, promised: float) -> None:
    """Refuses a video that ends too early; both in seconds."""
    if end < _WHOLE * promised:
        raise ImageError(
            f"{path}: ends after {end:.1f} of {promised:.1f} seconds; it was cut off or is damaged"
        )


def frame_count(path: str | Path) -> int:
    """Returns how many frames a video holds.

    The header's number is taken where the last frame it promises is there and none follows; else
    the frames are decoded and counted.

    Raises:
        ImageError: as `iter_frames`, or no frame can be decoded, or more than `MAX_FRAMES` can.
    """
    with _opened(path) as video:
        promised = video.promised
        if (
            isinstance(video, OpenCvDecoder)
            and 0 < promised <= MAX_FRAMES
            and video.ends_at(int(promised) - 1)
        ):
            return int(promised)
    with _opened(path) as video:
        count = 0
        while video.grab():
            count += 1
            if count > MAX_FRAMES:
                raise _too_many(path)
    if not count:
        raise ImageError(f"{path}: no frame of it can be decoded")
    return count


def read_frames(path: str | Path, indices: Iterable[int]) -> list[Pixels]:
    """Returns the frames at `indices`, in their order, as (H, W, 3) uint8 RGB.

    Args:
        path: the video.
        indices: numbers of frames from 0, in any order, also twice. All are held in memory.

    Raises:
        ImageError, UsageError: as `iter_frames`.
    """
    wanted = list(indices)
    frames = dict(iter_frames(path, wanted))
    return [frames[index] for index in wanted]


def iter_frames(path: str | Path, indices: Iterable[int]) -> Iterator[tuple[int, Pixels]]:
    """Yields each wanted frame's index and (H, W, 3) uint8 RGB once, the indices rising.

    Frames are upright by the file's rotation tag and as wide as shown by its sample aspect ratio. One pass,
    one frame in memory. What comes before the damaged part of a file is still yielded.

    Args:
        path: the video, or a picture of several frames; its content says its format, not its name.
        indices: numbers of frames from 0.

    Raises:
        ImageError: missing, a directory, empty, not a video, past a limit (`MAX_BYTES`,
            `decoders.MAX_PIXELS`), or with fewer frames than asked.
        UsageError: an index is negative or not below `MAX_FRAMES`.
    """
    wanted = sorted(set(indices))
    if wanted and not (wanted[0] >= 0 and wanted[-1] < MAX_FRAMES):
        raise UsageError(f"frames are numbered from 0 to {MAX_FRAMES - 1}; got {wanted[0]} to {wanted[-1]}")
    with _opened(path) as video:
        passed = 0
        for index in wanted:
            while passed <= index:
                if not video.grab():
                    raise ImageError(f"{path}: ends after {passed} frames; no frame {index}, counted from 0")
                passed += 1
            yield index, video.retrieve()


def _too_many(path: str | Path) -> PastLimit:
    return PastLimit(f"{path}: more than {MAX_FRAMES} frames; cut it into shorter videos")


def _too_long(path: str | Path, longest: float) -> PastLimit:
    return PastLimit(f"{path}: is longer than {longest:g} seconds, which is the limit")


@contextmanager
def _opened(path: str | Path) -> Iterator[Decoder]:
    """Opens a video within the limits; closed afterwards."""
    video = _decoder_of(Path(path))
    try:
        yield video
    finally:
        video.close()


def _decoder_of(path: Path) -> Decoder:
    if is_animation(path):
        return AnimationDecoder(path)
    _check(path)
    video = OpenCvDecoder(path)
    if video.opened:
        return video
    video.close()
    return open_with_pyav(path)


def _counts_frames(path: str | Path) -> bool:
    """Whether a header tells of frames; that of other formats is a guess from the duration."""
    with Path(path).open("rb") as file:
        start = file.read(8)
    return start[:4] == b"RIFF" or start[4:] in ATOMS


def _check(path: Path) -> None:
    """Refuses what is no video by its size or first bytes, so that FFmpeg never follows a playlist."""
    size = size_of(path, limit=MAX_BYTES, kind="a video")
    try:
        with path.open("rb") as file:
            start = file.read(HEAD)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not size:
        raise ImageError(f"{path}: is empty; give a video file")
    if not looks_like_video(start):
        raise ImageError(f"{path}: is not a video of a known format ({', '.join(VIDEOS)})")
