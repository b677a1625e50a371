"""CASIA-MFSD, or CASIA-FASD: three kinds of attack, three qualities of camera (Zhang et al., ICB 2012).

Read as released: `train_release/<1 … 20>` and `test_release/<1 … 30>`, twelve .avi a subject. 1 and 2
(low and normal quality) and HR_1 (high) are live; 3, 4, HR_2 are warped photos; 5, 6, HR_3 are photos
with the eyes cut out; 7, 8, HR_4 are videos on a tablet.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import folder_at, folders
from facetrust.data.sources._videos import part_at, rows_of, with_dev
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "train_release/ and test_release/ of CASIA-MFSD"
_SPLITS: tuple[Split, ...] = ("train", "test")
_ATTACKS = {
    **dict.fromkeys(("1", "2", "HR_1"), None),
    **dict.fromkeys(("3", "4", "HR_2"), "warped"),
    **dict.fromkeys(("5", "6", "HR_3"), "cut"),
    **dict.fromkeys(("7", "8", "HR_4"), "replay"),
}


def casia_mfsd(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns two frames of each video by split, subject and video (`_videos.rows_of` says which two).

    The official train and test subjects stay apart. There is no official dev set: a fifth of the
    train subjects becomes dev. A subject's number begins anew in test, where it is another person.

    Args:
        root: the folder that holds train_release and test_release.
        seed: seed of the draw for dev.

    Raises:
        ManifestError: a folder or a video is missing.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for split in _SPLITS:
        for person in _people(part_at(root, f"{split}_release", _HOLDS)):
            for name, attack in _ATTACKS.items():
                samples += rows_of(root, _video(split, person, name, attack))
    return with_dev(samples, seed=seed)


def _people(part: Path) -> list[str]:
    found = sorted((folder.name for folder in folders(part)), key=lambda name: (len(name), name))
    if not found:
        raise ManifestError(f"{part}: is empty; unpack the data set again")
    return found


def _video(split: Split, person: str, name: str, attack: str | None) -> Sample:
    return Sample(
        path=f"{split}_release/{person}/{name}.avi",
        label=int(attack is not None),
        split=split,
        subject=f"casia-fasd-{split}-{person}",
        domain="casia-fasd",
        attack=attack,
        media=f"casia-fasd/{split}/{person}/{name}",
    )
