"""How many frames of a video take part."""

from __future__ import annotations

from collections.abc import Iterable

from facetrust.errors import UsageError
from facetrust.records import Sample


def thinned(rows: Iterable[Sample], frames: int) -> list[Sample]:
    """Returns at most `frames` rows of each medium, equally far apart from its first; all if it is 0.

    Of n rows the i-th kept is number floor(i n / frames): one frame is the first; two are the first and
    the one in the middle. Rows without a medium are single pictures and all stay.

    Raises:
        UsageError: `frames` is negative.
    """
    if frames < 0:
        raise UsageError(f"frames {frames}: must be 0, for all, or more")
    kept: list[Sample] = []
    videos: dict[tuple[str | None, ...], list[Sample]] = {}
    for row in rows:
        if row.media is None or not frames:
            kept.append(row)
        else:
            # An attack made from a video may carry the video's name.
            videos.setdefault((row.domain, row.media, row.attack, str(row.label)), []).append(row)
    for video in videos.values():
        video.sort(key=lambda row: (row.frame is None, row.frame or 0, row.path))
        places = (
            range(len(video)) if len(video) <= frames else (i * len(video) // frames for i in range(frames))
        )
        kept += [video[place] for place in places]
    return kept
