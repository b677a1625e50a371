"""WMCA: glasses, mannequins, masks, prints and replays in many channels (George et al., TIFS 2019).

The set comes as HDF5 files, one a video, named `<date>/<client>_<session>_<presenter>_<type>_<pai>`.
Read here are colour frames that were taken out of them, in either form in use: a folder per video
(`12.02.18/100_03_015_2_10/color/0012.jpg`, the date's folder may be missing), or one file a frame
(`train/real/31.01.18_035_01_000_0_01_05.jpg`), as FLIP and few-shot anti-spoofing prepare them. HDF5
files and the depth, infrared and thermal channels are left out.

The names of the types and instruments agree with the documentation of the set's own database
package where that gives examples; the full table was seen in others' copies of it only.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._coded import Video, coded_videos
from facetrust.data.sources._files import folder_at
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_HOLDS = "colour frames of WMCA named by their videos (100_03_015_2_10/color/0012.jpg …)"
_CODE = (
    r"(?P<code>(?:\d\d\.\d\d\.\d\d[/_])?"
    r"(?P<client>\d{3})_(?P<session>\d\d)_(?P<presenter>\d{3})_(?P<type>\d)_(?P<pai>\d\d))"
)
_DISGUISES = (1, 5)  # The presenter's own face, with something on it.


def wmca(root: Path, *, seed: int = 0, frames: int = 10) -> list[Sample]:
    """Returns evenly spaced frames of each video by path, people split under the seed.

    The subject is whose face is shown: the client, or under glasses, wig or make-up the presenter.
    The official lists (`grandtest`) come with the set's licence, could not be checked, and are not read.
    The folders `train` and `test` of the one-file-a-frame form are no split: they hold the same videos.

    Args:
        root: the folder; frames may lie at any depth.
        seed: seed of the split.
        frames: how many frames of a video are taken; 10 as in FLIP.

    Raises:
        ManifestError: the folder is missing, or holds no frame with a code, or a code's type is not known.
        UsageError: `frames` is below 1.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for name, video in coded_videos(root, _CODE, frames=frames).items():
        samples += _samples(name, video)
    return assign(sorted(samples, key=lambda sample: sample.path), seed=seed)


def _samples(name: str, video: Video) -> list[Sample]:
    kind, instrument = int(video.code["type"]), int(video.code["pai"])
    disguised = kind in _DISGUISES and int(video.code["presenter"])
    species = _species(kind, instrument, video)
    return [
        Sample(
            path=path,
            label=int(kind > 0),
            split="train",
            subject=f"wmca-{video.code['presenter' if disguised else 'client']}",
            domain="wmca",
            attack=species,
            media=f"wmca-{name}",
            frame=frame,
        )
        for frame, path in video.frames
    ]


def _species(kind: int, instrument: int, video: Video) -> str | None:
    match kind:
        case 0:
            return None
        case 1:
            return {2: "rigid mask", 13: "rigid mask", 14: "rigid mask"}.get(
                instrument, "wig" if 8 <= instrument <= 12 else "glasses"
            )
        case 2:
            limits = ((7, "mannequin"), (11, "paper mask"), (17, "rigid mask"), (99, "flexible mask"))
            return next(name for last, name in limits if instrument <= last)
        case 3:  # Of each photo three prints or four, and one shown on a screen.
            return "replay" if instrument in (5, 10, 15) else "print"
        case 4:
            return "replay"
        case 5:
            return "makeup"
    raise ManifestError(f"{video.frames[0][1]}: attack type {kind} of WMCA is not known; 0 to 5 are")
