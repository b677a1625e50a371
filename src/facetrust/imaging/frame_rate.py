"""What a video's header tells beside its frames: how fast they follow, and how many there should be."""

from __future__ import annotations

from pathlib import Path

import cv2

from facetrust.errors import ImageError
from facetrust.imaging.video import ATOMS, MAX_FRAMES

_USUAL = 25.0  # Frames a second where the header tells nothing.
_FASTEST = 1000.0  # Some recorders write their clock's ticks instead; no camera is faster than this.
_WHOLE = 0.9  # Some headers are a few frames off; a file that lacks more than a tenth was cut off.


def frames_a_second(path: str | Path, count: int) -> float:
    """Returns a video's frames a second.

    Args:
        path: a video whose frames were counted before.
        count: how many of them can be decoded.

    Raises:
        ImageError: more than a tenth of the frames that the header promises are not there.
    """
    video = cv2.VideoCapture(str(Path(path).absolute()), cv2.CAP_FFMPEG)
    try:
        told, promised = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        video.release()
    with Path(path).open("rb") as file:
        start = file.read(8)
    # The headers of other formats tell of no frames; their number is a guess from the duration.
    counted = start[:4] == b"RIFF" or start[4:] in ATOMS
    if counted and promised <= MAX_FRAMES and count < _WHOLE * promised:
        raise ImageError(f"{path}: holds {count} of {promised:.0f} frames; it was cut off or is damaged")
    return told if 0 < told < _FASTEST else _USUAL
