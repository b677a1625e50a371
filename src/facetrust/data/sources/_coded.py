"""What WMCA and CeFA share: videos stored as pictures, each described by the code in its name."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from facetrust.data.sources._files import PICTURES
from facetrust.errors import ManifestError, UsageError

_OTHER_CHANNELS = ("depth", "ir", "infrared", "thermal")


class Video(NamedTuple):
    """The match of a video's code, and its pictures: frame number and path from the root, by number."""

    code: re.Match[str]
    frames: list[tuple[int, str]]


def coded_videos(root: Path, code: str, *, frames: int) -> dict[str, Video]:
    """Returns the videos below a folder by code, sorted, of each at most `frames` pictures evenly spaced.

    A picture is `<code>/color/0001.jpg`, `<code>/profile/0001.jpg`, `<code>/0001.jpg` or
    `<code>_01.jpg`. Folders of other channels and pictures without a code are passed over. Of a video
    that lies in several folders only one is taken: the fullest, then the last by name.

    Args:
        root: the folder.
        code: regular expression of the code; a slash in what it matches becomes an underscore.
        frames: how many pictures of a video are taken, from its first on.

    Raises:
        ManifestError: no picture has such a code.
        UsageError: `frames` is below 1.
    """
    if frames < 1:
        raise UsageError(f"frames must be at least 1; got {frames}")
    pattern = re.compile(rf"(?:.*?/)??{code}(?:/(?:color/|profile/)?|_)(?P<frame>\d+)\.\w+")
    places: dict[str, dict[str, Video]] = defaultdict(dict)
    for path in _color_pictures(root):
        if match := pattern.fullmatch(path):
            name = match["code"].replace("/", "_")
            video = places[name].setdefault(path.rpartition("/")[0], Video(match, []))
            video.frames.append((int(match["frame"]), path))
    if not places:
        raise ManifestError(f"{root}: holds no pictures that are named by the code of a video")
    return {name: _thinned(_fullest(places[name]), frames) for name in sorted(places)}


def _color_pictures(root: Path) -> list[str]:
    found = []
    for folder, inner, files in os.walk(root):
        # Cut here, for the other channels hold most of the files.
        inner[:] = [name for name in inner if name.lower() not in _OTHER_CHANNELS and name[0] != "."]
        place = Path(folder).relative_to(root)
        found += [(place / name).as_posix() for name in files if name.lower().endswith(PICTURES)]
    return sorted(found)


def _fullest(places: dict[str, Video]) -> Video:
    return places[max(places, key=lambda folder: (len(places[folder].frames), folder))]


def _thinned(video: Video, count: int) -> Video:
    rows = sorted(video.frames)
    if len(rows) > count:
        rows = [rows[index * len(rows) // count] for index in range(count)]
    return Video(video.code, rows)
