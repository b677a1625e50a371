"""CASIA-SURF CeFA: three ethnicities; cloth and photo prints, replays, masks (Liu et al., WACV 2021).

Read are the colour frames of the full release, at any depth, by the code of their video's folder:
`Ethnicity/AF/AF-223/1_223_3_1_2/color/0001.jpg`, in older copies `profile` in place of `color`; and
the form one file a frame (`train/real/3_499_1_1_1_00.jpg`) of FLIP. A code is
`<ethnicity>_<person>_<device>_<session>_<attack>`; of masks it has seven fields, the first being 1
for a 3D print and 2 for silicone.

Left out: depth and infrared, and the development and test folders of the 2020 challenge
(`dev/003000`), whose names hide person and attack. The protocols' lists are not read; those of
protocol 4.1 were compared and keep to the split by persons that is used here.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._coded import Video, coded_videos
from facetrust.data.sources._files import folder_at
from facetrust.records import Sample, Split

_HOLDS = "the folders Ethnicity and Mask of CASIA-CeFA"
_CODE = r"(?P<code>[123]_\d{3}_\d_\d_[1-4]|[12]_\d{3}(?:_\d){5})"
_SPECIES = {1: None, 2: "cloth print", 3: "print", 4: "replay"}
_MASKS = {1: "3D print mask", 2: "silicone mask"}
_LAST: tuple[tuple[int, Split], ...] = ((199, "train"), (299, "dev"), (999, "test"))


def casia_cefa(root: Path, *, seed: int = 0, frames: int = 10) -> list[Sample]:
    """Returns evenly spaced frames of each video by path, with the split by persons of the protocols.

    Of each ethnicity persons 000 to 199 are train, 200 to 299 dev, 300 to 499 test; masks are test.
    Whether a mask shows a person of the other part is not stated; those numbers are kept apart.

    Args:
        root: the folder; frames may lie at any depth.
        seed: not used; the split is fixed.
        frames: how many frames of a video are taken; 10 as in FLIP.

    Raises:
        ManifestError: the folder is missing or holds no frame with a code.
        UsageError: `frames` is below 1.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for name, video in coded_videos(root, _CODE, frames=frames).items():
        samples += _samples(name, video)
    return sorted(samples, key=lambda sample: sample.path)


def _samples(name: str, video: Video) -> list[Sample]:
    first, person, *others = (int(field) for field in name.split("_"))
    masked = len(others) == 5
    species = _MASKS[first] if masked else _SPECIES[others[2]]
    split: Split = "test" if masked else next(split for last, split in _LAST if person <= last)
    return [
        Sample(
            path=path,
            label=int(species is not None),
            split=split,
            subject=f"casia-cefa-{'mask-' if masked else ''}{first}-{person:03d}",
            domain="casia-cefa",
            attack=species,
            media=f"casia-cefa-{name}",
            frame=frame,
        )
        for frame, path in video.frames
    ]
