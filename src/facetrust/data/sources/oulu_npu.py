"""OULU-NPU: two printers and two screens before six telephones (Boulkenafet et al., FG 2017).

Read as released: `Train_files`, `Dev_files` and `Test_files` with `<phone>_<session>_<user>_<file>.avi`,
where file 1 is live, 2 and 3 are prints, 4 and 5 are videos on a screen. The eye positions (.txt) are
not used. The media keeps the four numbers: by them the official protocols choose their videos.
"""

from __future__ import annotations

import re
from pathlib import Path

from facetrust.data.sources._files import folder_at
from facetrust.data.sources._videos import part_at, rows_of
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "Train_files/, Dev_files/ and Test_files/ of OULU-NPU"
_SPLITS: dict[str, Split] = {"Train_files": "train", "Dev_files": "dev", "Test_files": "test"}
_FILES = {1: None, 2: "print", 3: "print", 4: "replay", 5: "replay"}
_NAME = re.compile(r"([1-6]_[1-3]_(\d\d))_[1-5]\.avi")


def oulu_npu(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns two frames of each video by official split and name (`_videos.rows_of` says which two).

    The media is `oulu-npu/<phone>_<session>_<user>_<file>`.

    Args:
        root: the folder that holds Train_files, Dev_files and Test_files.
        seed: not used; the split is fixed.

    Raises:
        ManifestError: a folder or one of a recording's five videos is missing, or a name is another.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for part in _SPLITS:
        for recording, user in _recordings(part_at(root, part, _HOLDS)):
            for number, attack in _FILES.items():
                samples += rows_of(root, _video(part, f"{recording}_{number}", user, attack))
    return samples


def _recordings(part: Path) -> list[tuple[str, str]]:
    """Returns (phone_session_user, user) of what was recorded, by name."""
    found = set()
    for path in part.glob("[!.]*.avi"):
        if not (name := _NAME.fullmatch(path.name)):
            raise ManifestError(f"{path}: is not named phone_session_user_file, such as 1_1_01_1.avi")
        found.add((name[1], name[2]))
    if not found:
        raise ManifestError(f"{part}: holds no .avi videos; unpack the data set again")
    return sorted(found)


def _video(part: str, name: str, user: str, attack: str | None) -> Sample:
    return Sample(
        path=f"{part}/{name}.avi",
        label=int(attack is not None),
        split=_SPLITS[part],
        subject=f"oulu-npu-{user}",
        domain="oulu-npu",
        attack=attack,
        media=f"oulu-npu/{name}",
    )
