"""Celeb-DF v2: faces of celebrities swapped in videos of YouTube (Li et al., CVPR 2020).

Read as released: `Celeb-real/<id>_<video>.mp4`, `YouTube-real/<video>.mp4` and
`Celeb-synthesis/<target>_<source>_<video>.mp4`: the target's video with the source's face. Official is
the test alone, `List_of_testing_videos.txt`, whose 1 means real; here 1 is manipulated.
"""

from __future__ import annotations

import re
from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.sources._identities import Shown, apart_from_test, drawn
from facetrust.data.sources._videos import Frames, part_at, spread_rows
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "Celeb-real/, Celeb-synthesis/, YouTube-real/ and List_of_testing_videos.txt of Celeb-DF v2"
_LIST = "List_of_testing_videos.txt"
_FAKES = "Celeb-synthesis"
_NAMES = {
    "Celeb-real": re.compile(r"(id\d+)_\d+"),
    _FAKES: re.compile(r"(id\d+)_(id\d+)_\d+"),
    "YouTube-real": re.compile(r"(\d+)"),
}
_SHARES: dict[Split, float] = {"train": 0.8, "dev": 0.2}


def celeb_df(root: Path, *, seed: int = 0, frames: Frames = 10, overlap: bool = False) -> list[Sample]:
    """Returns evenly spread frames of the videos by folder and name (`_videos.spread` says which).

    The listed videos are test. Of the others only those that show nobody of the test, neither as target
    nor as source, are train and a fifth of them dev. As the list touches nearly all celebrities, little
    but YouTube-real is left: the set is one to test on. The subject is the person of the video, under
    a fake the target; each video of YouTube-real is a person of its own.

    Args:
        root: the folder of the three folders and the list.
        seed: seed of the draw for dev.
        frames: how many of each video, or (of a genuine one, of a manipulated one).
        overlap: whether all that is not listed is train and dev, as published work trains on this set;
            the audit then finds the people of the test in train.

    Raises:
        ManifestError: a folder, the list or a listed video is missing, a line or a name is another.
        UsageError: `frames` is below 1.
    """
    root = folder_at(root, _HOLDS)
    tested = _tested(root)
    videos = [
        _shown(path, folder, tested)
        for folder in _NAMES
        for path in sorted(part_at(root, folder, _HOLDS).glob("[!.]*.mp4"))
    ]
    if overlap:
        # For the draw each video stands for itself: nothing could be drawn from one chain of all.
        alone = [shown._replace(people=(shown.video.path,)) for shown in videos]
        return spread_rows(root, drawn(alone, seed=seed, shares=_SHARES), frames)
    return spread_rows(root, apart_from_test(videos, seed=seed), frames)


def _tested(root: Path) -> set[str]:
    listed = file_at(root / _LIST, "the list of the test")
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
    videos = set()
    for number, line in enumerate(lines, start=1):
        if not (words := line.split()):
            continue
        if len(words) != 2 or words[0] != str(int(not words[1].startswith(f"{_FAKES}/"))):
            raise ManifestError(f"{listed}: line {number} is not 1 and a real video, or 0 and a fake one")
        file_at(root / words[1], "a video of the test")
        videos.add(words[1])
    if not videos:
        raise ManifestError(f"{listed}: names no videos; unpack the data set again")
    return videos


def _shown(path: Path, folder: str, tested: set[str]) -> Shown:
    name = _NAMES[folder].fullmatch(path.stem)
    if name is None:
        raise ManifestError(f"{path}: is not named as Celeb-DF v2 names the videos of {folder}")
    people = tuple(who if who.startswith("id") else f"youtube-{who}" for who in name.groups())
    place = f"{folder}/{path.name}"
    video = Sample(
        path=place,
        label=int(folder == _FAKES),
        split="test",
        subject=f"celeb-df-{people[0]}",
        domain="celeb-df",
        attack=folder if folder == _FAKES else None,
        media=f"celeb-df/{folder}/{path.stem}",
    )
    return Shown(video, people, "test" if place in tested else None)
