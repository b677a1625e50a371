from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.msu_mfsd import msu_mfsd
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

TRAIN, TEST = "02\n03\n05\n06\n55\n", "01\r\n13\r\n51"
LISTS = {"train_sub_list__txt": TRAIN, "test_sub_list__txt": TEST}
EIGHT = (
    "real/real_client0{}_laptop_SD_scene01.mov",
    "attack/attack_client0{}_laptop_SD_ipad_video_scene01.mov",
    "attack/attack_client0{}_laptop_SD_iphone_video_scene01.mov",
    "attack/attack_client0{}_laptop_SD_printed_photo_scene01.mov",
    "real/real_client0{}_android_SD_scene01.mp4",
    "attack/attack_client0{}_android_SD_ipad_video_scene01.mp4",
    "attack/attack_client0{}_android_SD_iphone_video_scene01.mp4",
    "attack/attack_client0{}_android_SD_printed_photo_scene01.mp4",
)
NAMES = [f"scene01/{name.format(who)}" for who in (TRAIN + TEST).split() for name in EIGHT]
BESIDE = ("scene01/real/real_client002_laptop_SD_scene01.face", "README.txt", "DecFrames.m")


def test_the_released_layout(plant: Callable[..., Path]) -> None:
    rows = msu_mfsd(plant(*NAMES, *BESIDE, **LISTS))
    assert {row.path for row in rows} == set(NAMES)
    assert len(rows) == 2 * len(NAMES)
    assert rows[-2] == Sample(
        path="scene01/attack/attack_client051_android_SD_iphone_video_scene01.mp4", label=1, split="test",
        subject="msu-mfsd-051", domain="msu-mfsd", attack="iphone-video",
        media="msu-mfsd/attack_client051_android_SD_iphone_video_scene01", frame=6,
    )  # fmt: skip
    # Of one person: two live videos and two of each attack, each with two frames.
    shown = Counter((row.label, row.attack) for row in rows if row.subject == "msu-mfsd-055")
    assert shown == {(0, None): 4, (1, "print"): 4, (1, "ipad-video"): 4, (1, "iphone-video"): 4}


def test_the_lists_make_the_splits(plant: Callable[..., Path]) -> None:
    rows = msu_mfsd(plant(*NAMES, **LISTS))
    people = {
        split: {str(row.subject)[-2:] for row in rows if row.split == split}
        for split in ("train", "dev", "test")
    }
    assert people["test"] == set(TEST.split())
    assert people["train"] | people["dev"] == set(TRAIN.split())
    assert len(people["dev"]) == 1
    assert not shared(rows)


def test_what_is_missing_is_named(plant: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match=r"train_sub_list\.txt: the list of train subjects is missing"):
        msu_mfsd(plant(*NAMES))
    root = plant(**LISTS)
    (root / NAMES[-1]).unlink()
    with pytest.raises(
        ManifestError, match=r"client051_android_SD_printed_photo_scene01\.mp4: a video is missing"
    ):
        msu_mfsd(root)
    (root / "scene01").rename(root / "scene02")
    with pytest.raises(ManifestError, match="lacks the folder scene01"):
        msu_mfsd(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [(" \n", "is empty"), ("02\nclient3\n", "'client3' is not the number"), ("²", "is not")],
)
def test_bad_lists(plant: Callable[..., Path], text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=rf"train_sub_list\.txt: .*{message}"):
        msu_mfsd(plant(*NAMES, train_sub_list__txt=text, test_sub_list__txt=TEST))
