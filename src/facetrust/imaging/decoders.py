"""What decodes a video frame by frame: OpenCV, and PyAV where OpenCV's build lacks the code."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from facetrust.errors import ImageError, MissingExtra, PastLimit
from facetrust.imaging.pixels import Pixels, quarter_turn

MAX_PIXELS = 7680 * 4320  # 8K, the largest that cameras record: 100 MB a frame.

# How the containers name codes that some builds of FFmpeg lack.
_CODES = {
    b"av01": "AV1",
    b"V_AV1": "AV1",
    b"hvc1": "HEVC",
    b"hev1": "HEVC",
    b"V_MPEGH": "HEVC",
    b"vvc1": "VVC",
    b"vvi1": "VVC",
}
_SNIFFED = 256 * 1024  # Bytes at either end of a file, where they stand.
_UNREADABLE = "is damaged, or a video that cannot be decoded here"


class Decoder(Protocol):
    """A file's frames, one after another from its beginning, upright and as wide as they are shown.

    `rate` is the frames per second and `promised` the number of frames that the header tells, 0 or not
    finite where it tells nothing. `time` is that of the frame last grabbed, in seconds from the first one,
    and `lasting` how long it is shown as far as that is known. `paged` says that the frames are pages, which
    have no order in time.
    """

    paged: bool
    rate: float
    promised: float
    time: float
    lasting: float

    def grab(self) -> bool:
        """Goes to the next frame; False where none follows."""

    def retrieve(self) -> Pixels:
        """Returns the frame last grabbed, (H, W, 3) uint8 RGB.

        Raises:
            ImageError: it is damaged.
        """

    def close(self) -> None:
        """Lets the file go."""


class OpenCvDecoder:
    """Decodes with the FFmpeg inside OpenCV; `opened` is false where it cannot decode the first frame."""

    paged = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index = -1
        # Read by OpenCV when it first opens a video: FFmpeg is to say nothing, errors are ours to tell.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            # A whole path, for FFmpeg takes what stands before a colon for a protocol.
            self._video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        finally:
            cv2.utils.logging.setLogLevel(level)
        self.time = 0.0
        self.rate, self.promised = self._told(cv2.CAP_PROP_FPS), self._told(cv2.CAP_PROP_FRAME_COUNT)
        self.lasting = 1 / self.rate if self.rate > 0 else math.nan
        wide, tall = self._told(cv2.CAP_PROP_FRAME_WIDTH), self._told(cv2.CAP_PROP_FRAME_HEIGHT)
        aspect = _ratio(self._told(cv2.CAP_PROP_SAR_NUM), self._told(cv2.CAP_PROP_SAR_DEN))
        # The pixels' shape is that of the coded picture; OpenCV turns frames as the file says.
        turned = self._told(cv2.CAP_PROP_ORIENTATION_META) % 180 != 0
        self._aspect = 1 / aspect if turned else aspect
        if not self._video.isOpened():
            self.opened = False
            return
        try:
            _check_size(path, wide, tall, self._aspect)
        except ImageError:
            self.close()
            raise
        self.opened = self._ahead = self._video.grab()

    def grab(self) -> bool:
        """Goes to the next frame; False where none follows."""
        there = self._ahead or self._video.grab()
        self._ahead = False
        if there:
            self._index += 1
            at = self._told(cv2.CAP_PROP_POS_MSEC) / 1000
            # A frame without a stamp, as the last one of MPEG's programme streams, reads 0.
            stamped = at > 0 or self.time == 0 or not self.lasting > 0
            self.time = at if stamped else self.time + self.lasting
        return bool(there)

    def retrieve(self) -> Pixels:
        """Returns the frame last grabbed."""
        try:
            there, frame = self._video.retrieve()
        except cv2.error as error:
            raise ImageError(
                f"{self._path}: frame {self._index} is damaged (OpenCV error {error.code})"
            ) from None
        if not there:
            raise ImageError(f"{self._path}: frame {self._index} is damaged")
        image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        return in_shown_aspect(image, self._aspect)

    def ends_at(self, last: int) -> bool:
        """Whether a frame can be reached and none comes after it; nothing can be read afterwards."""
        self._ahead = False
        self._video.set(cv2.CAP_PROP_POS_FRAMES, last)
        return self._told(cv2.CAP_PROP_POS_FRAMES) == last and self._video.grab() and not self._video.grab()

    def close(self) -> None:
        """Lets the file go."""
        self._video.release()

    def _told(self, what: int) -> float:
        return float(self._video.get(what))


class PyAvDecoder:
    """Decodes with PyAV, whose wheels carry decoders of AV1, HEVC and VVC.

    Raises:
        ImageError: it cannot open the file either, or a limit is passed.
        ImportError: PyAV is not installed.
    """

    paged = False

    def __init__(self, path: Path) -> None:
        import av

        self._path = path
        self._index = -1
        self._error = av.FFmpegError
        self._file: Any = None
        try:
            self._file = av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
            stream = self._file.streams.video[0]
        except (av.FFmpegError, IndexError):
            self.close()
            raise ImageError(f"{path}: {_UNREADABLE}") from None
        stream.thread_type = "AUTO"
        aspect = stream.sample_aspect_ratio
        self._aspect = _ratio(aspect.numerator, aspect.denominator) if aspect else 1.0
        self._frames = self._file.decode(stream)
        self._frame: Any = None
        self._first = math.nan
        self.time, self.rate, self.promised = 0.0, float(stream.average_rate or 0), float(stream.frames)
        self.lasting = 1 / self.rate if self.rate > 0 else math.nan
        try:
            _check_size(path, stream.codec_context.width, stream.codec_context.height, self._aspect)
        except ImageError:
            self.close()
            raise

    def grab(self) -> bool:
        """Goes to the next frame; False where none follows."""
        try:
            self._frame = next(self._frames, None)
        except self._error:
            return False
        if self._frame is None:
            return False
        self._index += 1
        at = self._frame.time
        if at is not None:
            self._first = at if math.isnan(self._first) else self._first
            self.time = at - self._first
        return True

    def retrieve(self) -> Pixels:
        """Returns the frame last grabbed."""
        try:
            image = np.asarray(self._frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        except (self._error, ValueError):
            raise ImageError(f"{self._path}: frame {self._index} is damaged") from None
        return quarter_turn(in_shown_aspect(image, self._aspect), round(self._frame.rotation / 90) % 4)

    def close(self) -> None:
        """Lets the file go."""
        if self._file is not None:
            self._file.close()


def open_with_pyav(path: Path) -> PyAvDecoder:
    """Returns a decoder for a video that OpenCV cannot decode.

    Raises:
        ImageError: PyAV is not installed, or cannot decode it either; the message names the code.
    """
    try:
        return PyAvDecoder(path)
    except ImportError:
        code = _code_of(path)
        if code is None:
            raise ImageError(f"{path}: {_UNREADABLE}") from None
        raise ImageError(
            f"{path}: is {code}, which this build of OpenCV cannot decode; convert it to H.264, or let PyAV "
            f"decode it: {MissingExtra('av', 'video')}"
        ) from None


def _code_of(path: Path) -> str | None:
    """The name of a video's code where it is one that FFmpeg may have been built without."""
    with path.open("rb") as file:
        start = file.read(_SNIFFED)
        file.seek(max(0, path.stat().st_size - _SNIFFED))
        content = start + file.read()
    return next((name for tag, name in _CODES.items() if tag in content), None)


def _check_size(path: Path, width: float, height: float, aspect: float) -> None:
    """Checks the pixels of a frame as it is shown."""
    shown = width * height * max(aspect, 1 / aspect)
    if shown > MAX_PIXELS:
        stretched = f", shown as {shown:.0f}" if aspect != 1 else ""
        raise PastLimit(
            f"{path}: {width:.0f}x{height:.0f} pixels a frame{stretched}; the limit is {MAX_PIXELS} in all"
        )


def in_shown_aspect(image: Pixels, aspect: float) -> Pixels:
    """Returns a picture whose pixels are `aspect` times as wide as high with square ones, none lost."""
    if aspect == 1:
        return image
    height, width = image.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _ratio(over: float, under: float) -> float:
    """A sample aspect ratio; 1 where the file tells none."""
    return over / under if over > 0 and under > 0 else 1.0
