"""Videos: frames of a file become RGB arrays, decoded from its beginning.

Seeking is not exact in AVI and MOV, so a frame is reached by decoding all that come before it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from facetrust.errors import ImageError, UsageError
from facetrust.imaging import Pixels
from facetrust.imaging.regular_file import size_of

VIDEOS = (
    ".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
    ".ts", ".webm", ".wmv",
)  # fmt: skip
MAX_BYTES = 2 * 1024**3  # Minutes of 4K from a telephone. A longer film is no clip of a face.
MAX_PIXELS = 7680 * 4320  # 8K, the largest that cameras record: 100 MB a frame.
MAX_FRAMES = 108_000  # An hour at 30 a second. A damaged file may decode without end.

# How the containers name codes that some builds of FFmpeg lack.
_CODES = {
    b"av01": "AV1",
    b"V_AV1": "AV1",
    b"hvc1": "HEVC",
    b"hev1": "HEVC",
    b"V_MPEGH": "HEVC",
    b"vvc1": "VVC",
}
_SNIFFED = 256 * 1024  # Bytes at either end of a file, where they stand.
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


def frame_count(path: str | Path) -> int:
    """Returns how many frames a video holds.

    The header's number is taken where the last frame it promises is there and none follows; else
    the frames are decoded and counted.

    Raises:
        ImageError: as `iter_frames`, or no frame can be decoded, or more than `MAX_FRAMES` can.
    """
    with _opened(path) as video:
        told = video.get(cv2.CAP_PROP_FRAME_COUNT)
        if math.isfinite(told) and 0 < told <= MAX_FRAMES and _ends_at(video, int(told) - 1):
            return int(told)
    with _opened(path) as video:
        count = 0
        while video.grab():
            count += 1
            if count > MAX_FRAMES:
                raise ImageError(f"{path}: more than {MAX_FRAMES} frames; cut it into shorter videos")
    if not count:
        raise ImageError(f"{path}: no frame of it can be decoded{_undecoded(Path(path))}")
    return count


def _undecoded(path: Path) -> str:
    """What to say of a video whose code FFmpeg may have been built without; nothing if it is another."""
    with path.open("rb") as file:
        start = file.read(_SNIFFED)
        file.seek(max(0, path.stat().st_size - _SNIFFED))
        content = start + file.read()
    code = next((name for tag, name in _CODES.items() if tag in content), None)
    return f"; it is {code}, which this build of OpenCV cannot decode: convert it to H.264" if code else ""


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

    Frames are upright by the file's rotation tag. One pass, one frame in memory. What comes before
    the damaged part of a file is still yielded.

    Args:
        path: the video; its content says its format, not its name.
        indices: numbers of frames from 0.

    Raises:
        ImageError: missing, a directory, empty, not a video, past a limit (`MAX_BYTES`,
            `MAX_PIXELS`), or with fewer frames than asked.
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
            yield index, _grabbed(video, path, index)


def _grabbed(video: cv2.VideoCapture, path: str | Path, index: int) -> Pixels:
    try:
        there, frame = video.retrieve()
    except cv2.error as error:
        raise ImageError(f"{path}: frame {index} is damaged (OpenCV error {error.code})") from None
    if not there:
        raise ImageError(f"{path}: frame {index} is damaged")
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _ends_at(video: cv2.VideoCapture, last: int) -> bool:
    """Whether a frame can be reached and none comes after it."""
    video.set(cv2.CAP_PROP_POS_FRAMES, last)
    return video.get(cv2.CAP_PROP_POS_FRAMES) == last and video.grab() and not video.grab()


@contextmanager
def _opened(path: str | Path) -> Iterator[cv2.VideoCapture]:
    """Opens a video within the limits; closed afterwards."""
    _check(Path(path))
    # Read by OpenCV when it first opens a video: FFmpeg is to say nothing, errors are ours to tell.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        # A whole path, for FFmpeg takes what stands before a colon for a protocol.
        video = cv2.VideoCapture(str(Path(path).absolute()), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)
    try:
        if not video.isOpened():
            raise ImageError(
                f"{path}: is damaged, or a video that cannot be decoded here{_undecoded(Path(path))}"
            )
        wide, tall = (int(video.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if wide * tall > MAX_PIXELS:
            raise ImageError(f"{path}: {wide}x{tall} pixels a frame; the limit is {MAX_PIXELS} in all")
        yield video
    finally:
        video.release()


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
