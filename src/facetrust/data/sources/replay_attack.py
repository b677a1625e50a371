"""Replay-Attack: prints and two screens, held by hand or fixed (Chingovska, Anjos and Marcel, BIOSIG 2012).

Read as released: `train`, `devel` and `test` with `real` and `attack/{fixed,hand}`, .mov. The videos
for enrolment lie elsewhere (`enroll`) and are left out. The face positions (`face-locations`) are not used.
"""

from __future__ import annotations

import re
from pathlib import Path

from facetrust.data.sources._files import folder_at
from facetrust.data.sources._videos import part_at, rows_of
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "train/, devel/ and test/ of Replay-Attack"
_SPLITS: dict[str, Split] = {"train": "train", "devel": "dev", "test": "test"}
_LIGHTS = ("adverse", "controlled")
_REAL = [
    f"real/{{}}_session01_webcam_authenticate_{light}_{take}.mov" for light in _LIGHTS for take in (1, 2)
]
# The device that showed the attack, and the recording that was shown on it.
_SHOWN = {
    "print": ("print", "highdef_photo"),
    "mobile-photo": ("mobile", "mobile_photo"),
    "mobile-video": ("mobile", "mobile_video"),
    "highdef-photo": ("highdef", "highdef_photo"),
    "highdef-video": ("highdef", "highdef_video"),
}
_ATTACKS = {
    f"attack/{support}/attack_{device}_{{}}_session01_{recording}_{light}.mov": species
    for support in ("fixed", "hand")
    for species, (device, recording) in _SHOWN.items()
    for light in _LIGHTS
}
_VIDEOS: dict[str, str | None] = {**dict.fromkeys(_REAL, None), **_ATTACKS}


def replay_attack(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns two frames of each video by official split and client (`_videos.rows_of` says which two).

    `devel` is dev. The attack's species is the device and what it showed: print, mobile-photo,
    mobile-video, highdef-photo, highdef-video; whether it was fixed or held by hand is in the media.

    Args:
        root: the folder that holds train, devel and test.
        seed: not used; the split is fixed.

    Raises:
        ManifestError: a folder or one of a client's 24 videos is missing.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for name in _SPLITS:
        for client in _clients(part_at(root, name, _HOLDS)):
            for video, attack in _VIDEOS.items():
                samples += rows_of(root, _video(name, client, video.format(client), attack))
    return samples


def _clients(part: Path) -> list[str]:
    names = (re.search(r"client\d+", path.name) for path in part.rglob("*.mov"))
    found = sorted({name[0] for name in names if name})
    if not found:
        raise ManifestError(f"{part}: holds no videos of clients; unpack the data set again")
    return found


def _video(part: str, client: str, name: str, attack: str | None) -> Sample:
    return Sample(
        path=f"{part}/{name}",
        label=int(attack is not None),
        split=_SPLITS[part],
        subject=f"replay-attack-{client}",
        domain="replay-attack",
        attack=attack,
        media=f"replay-attack/{name.removesuffix('.mov')}",
    )
