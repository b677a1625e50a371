"""MSU-MFSD: prints, a tablet and a telephone before a laptop and a telephone (Wen, Han and Jain, TIFS 2015).

Read as released: the numbers of the subjects in `train_sub_list.txt` and `test_sub_list.txt`, the videos
in `scene01/real` and `scene01/attack`, .mov from the laptop and .mp4 from the telephone. Six live videos
of the telephone are known to be upside down; the search for the face turns them. The face positions
in the .face files are wrong for those and are not used.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.sources._videos import part_at, rows_of, with_dev
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "scene01/, train_sub_list.txt and test_sub_list.txt of MSU-MFSD"
_SPLITS: tuple[Split, ...] = ("train", "test")
_CAMERAS = {"laptop": "mov", "android": "mp4"}
_ATTACKS = {"print": "printed_photo", "ipad-video": "ipad_video", "iphone-video": "iphone_video"}


def msu_mfsd(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns two frames of each video by split, subject and video (`_videos.rows_of` says which two).

    The official train and test subjects stay apart. There is no official dev set: a fifth of the
    train subjects becomes dev.

    Args:
        root: the folder of the two lists and scene01.
        seed: seed of the draw for dev.

    Raises:
        ManifestError: a folder, a list or a video is missing, or a list has no or a bad number.
    """
    root = folder_at(root, _HOLDS)
    part_at(root, "scene01", _HOLDS)
    samples = []
    for split in _SPLITS:
        for person in _people(file_at(root / f"{split}_sub_list.txt", f"the list of {split} subjects")):
            for camera, suffix in _CAMERAS.items():
                live = f"real/real_client{person:03d}_{camera}_SD_scene01.{suffix}"
                samples += rows_of(root, _video(split, person, live, None))
                for attack, shown in _ATTACKS.items():
                    name = f"attack/attack_client{person:03d}_{camera}_SD_{shown}_scene01.{suffix}"
                    samples += rows_of(root, _video(split, person, name, attack))
    return with_dev(samples, seed=seed)


def _people(listed: Path) -> list[int]:
    numbers = listed.read_text(encoding="utf-8", errors="replace").split()
    if not numbers:
        raise ManifestError(f"{listed}: is empty; unpack the data set again")
    if bad := [number for number in numbers if not (number.isascii() and number.isdigit())]:
        raise ManifestError(f"{listed}: {bad[0]!r} is not the number of a subject")
    return sorted({int(number) for number in numbers})


def _video(split: Split, person: int, name: str, attack: str | None) -> Sample:
    return Sample(
        path=f"scene01/{name}",
        label=int(attack is not None),
        split=split,
        subject=f"msu-mfsd-{person:03d}",
        domain="msu-mfsd",
        attack=attack,
        media=f"msu-mfsd/{Path(name).stem}",
    )
