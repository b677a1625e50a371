from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.replay_attack import replay_attack
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

TEN = (
    "print_{}_session01_highdef_photo_adverse", "print_{}_session01_highdef_photo_controlled",
    "mobile_{}_session01_mobile_photo_adverse", "mobile_{}_session01_mobile_photo_controlled",
    "mobile_{}_session01_mobile_video_adverse", "mobile_{}_session01_mobile_video_controlled",
    "highdef_{}_session01_highdef_photo_adverse", "highdef_{}_session01_highdef_photo_controlled",
    "highdef_{}_session01_highdef_video_adverse", "highdef_{}_session01_highdef_video_controlled",
)  # fmt: skip
FOUR = ("adverse_1", "adverse_2", "controlled_1", "controlled_2")
PEOPLE = {"train": ("client001", "client110"), "devel": ("client003",), "test": ("client009", "client101")}
NAMES = [
    f"{part}/{name}.mov"
    for part, people in PEOPLE.items()
    for who in people
    for name in (
        *(f"real/{who}_session01_webcam_authenticate_{end}" for end in FOUR),
        *(f"attack/{hold}/attack_{end.format(who)}" for hold in ("fixed", "hand") for end in TEN),
    )
]
BESIDE = ("enroll/train/client001_session01_webcam_enroll_1.mov", "face-locations/train/real/a.face")


def test_the_released_layout(plant: Callable[..., Path]) -> None:
    rows = replay_attack(plant(*NAMES, *BESIDE))
    assert [row.path for row in rows[::2]] == NAMES
    assert rows[-1] == Sample(
        path="test/attack/hand/attack_highdef_client101_session01_highdef_video_controlled.mov", label=1,
        split="test", subject="replay-attack-client101", domain="replay-attack", attack="highdef-video",
        media="replay-attack/attack/hand/attack_highdef_client101_session01_highdef_video_controlled",
        frame=16,
    )  # fmt: skip
    assert len({row.media for row in rows}) == len(NAMES)  # Fixed and by hand are two recordings.


def test_official_parts_and_species(plant: Callable[..., Path]) -> None:
    rows = replay_attack(plant(*NAMES))
    assert not shared(rows)
    # A client has 4 live and 20 attack videos, as in the official 60 and 300 of 15 clients.
    counts = Counter((row.split, row.label) for row in rows)
    assert counts == {
        ("train", 0): 16, ("train", 1): 80, ("dev", 0): 8, ("dev", 1): 40, ("test", 0): 16, ("test", 1): 80,
    }  # fmt: skip
    species = Counter(row.attack for row in rows if row.split == "dev" and row.label)
    assert species == dict.fromkeys(
        ("print", "mobile-photo", "mobile-video", "highdef-photo", "highdef-video"), 8
    )


def test_what_is_missing_is_named(plant: Callable[..., Path]) -> None:
    root = plant(*NAMES)
    (root / NAMES[7]).unlink()
    with pytest.raises(
        ManifestError, match=r"attack_mobile_client001.*photo_controlled\.mov: a video is missing"
    ):
        replay_attack(root)
    plant(NAMES[7])
    (root / "devel").rename(root / "elsewhere")
    with pytest.raises(
        ManifestError, match="lacks the folder devel; give the folder that holds train/, devel/"
    ):
        replay_attack(root)
    (root / "devel").mkdir()
    with pytest.raises(ManifestError, match="devel: holds no videos of clients"):
        replay_attack(root)
