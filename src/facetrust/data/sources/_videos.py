"""What the sources of videos share: the frames that are taken, their rows, and a dev part of train."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facetrust.data.sources._files import file_at
from facetrust.data.splits import assign
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.imaging.video import frame_count
from facetrust.records import Sample

Frames = int | tuple[int, int]  # Of every video, or of a genuine and of a manipulated one.

_FIRST = 6
_DEV = 0.2


def part_at(root: Path, name: str, holds: str) -> Path:
    """Returns a folder that a data set must have.

    Raises:
        ManifestError: it is missing; `holds` says what the data set's folder should hold.
    """
    if not (root / name).is_dir():
        raise ManifestError(f"{root}: lacks the folder {name}; give the folder that holds {holds}")
    return root / name


def rows_of(root: Path, video: Sample) -> list[Sample]:
    """Returns a row for each frame that is taken of a video, from 0: #6 and #(6 + N // 2) of N frames.

    The frames of Jia et al. (SSDG, CVPR 2020), which Srivatsan et al. (FLIP, ICCV 2023) test on; they
    train on the first alone. Of a short video the last frame is taken instead of one past its end. A
    video that cannot be read has the first frame's row, so that reading it gives the reason.

    Raises:
        ManifestError: there is no such file.
    """
    path = file_at(root / video.path, "a video")
    try:
        count = frame_count(path)
        frames = {min(_FIRST, count - 1), min(_FIRST + count // 2, count - 1)}
    except ImageError:
        frames = {_FIRST}
    return [video.model_copy(update={"frame": frame}) for frame in sorted(frames)]


def spread(total: int, count: int) -> list[int]:
    """Returns the numbers of `count` frames spread evenly over a video, rising; all if there are fewer.

    The video is cut into `count` equal parts, and of each the middle frame is taken, the later of two:
    frame i is floor((2i + 1) total / (2 count)). So the first and the last frame, where cuts and black
    frames are, are taken only if nearly all are. Equidistant frames as in Coccomini et al. (ICIAP 2022).

    Args:
        total: frames of the video, at least 1.
        count: frames to take, at least 1.
    """
    parts = min(count, total)
    return [(2 * part + 1) * total // (2 * parts) for part in range(parts)]


def spread_rows(root: Path, videos: Iterable[Sample], frames: Frames) -> list[Sample]:
    """Returns the rows of the videos in their order, a row for each frame that `spread` takes.

    A video that cannot be read has one row, frame 0, so that reading it gives the reason.

    Args:
        root: what the paths of the videos are relative to.
        videos: a row each.
        frames: how many of each video, or (of a genuine one, of a manipulated one).

    Raises:
        ManifestError: a video is missing.
        UsageError: fewer than one frame is asked for.
    """
    counts = frames if isinstance(frames, tuple) else (frames, frames)
    if len(counts) != 2 or min(counts) < 1:
        raise UsageError(
            f"frames must be at least 1, or two such numbers (genuine, manipulated); got {frames}"
        )
    return [
        video.model_copy(update={"frame": frame})
        for video in videos
        for frame in _spread_over(file_at(root / video.path, "a video"), counts[video.label or 0])
    ]


def _spread_over(path: Path, count: int) -> list[int]:
    try:
        return spread(frame_count(path), count)
    except ImageError:
        return [0]


def with_dev(samples: list[Sample], *, seed: int) -> list[Sample]:
    """Returns the rows, in their order, with a fifth of the train subjects in dev, drawn under the seed."""
    train = [sample for sample in samples if sample.split == "train"]
    drawn = iter(assign(train, seed=seed, shares={"train": 1 - _DEV, "dev": _DEV}))
    return [next(drawn) if sample.split == "train" else sample for sample in samples]
