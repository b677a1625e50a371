"""What the sources of videos share: the frames that are taken, their rows, and a dev part of train."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at
from facetrust.data.splits import assign
from facetrust.errors import ImageError, ManifestError
from facetrust.records import Sample
from facetrust.video import frame_count

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
    video that cannot be read has the first frame's row, so that whoever reads it is told why.

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


def with_dev(samples: list[Sample], *, seed: int) -> list[Sample]:
    """Returns the rows, in their order, with a fifth of the train subjects in dev, drawn under the seed."""
    train = [sample for sample in samples if sample.split == "train"]
    drawn = iter(assign(train, seed=seed, shares={"train": 1 - _DEV, "dev": _DEV}))
    return [next(drawn) if sample.split == "train" else sample for sample in samples]
