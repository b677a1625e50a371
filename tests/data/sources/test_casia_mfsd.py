from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.casia_mfsd import casia_mfsd
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

LIVE = ("1", "2", "HR_1")
WARPED = ("3", "4", "HR_2")
CUT = ("5", "6", "HR_3")
REPLAY = ("7", "8", "HR_4")
NAMES = [
    f"{part}/{who}/{name}.avi"
    for part, people in (("train_release", (1, 2, 10, 11, 20)), ("test_release", (1, 2, 30)))
    for who in people
    for name in LIVE + WARPED + CUT + REPLAY
]


def test_the_released_layout(plant: Callable[..., Path]) -> None:
    rows = casia_mfsd(plant(*NAMES))
    assert [row.path for row in rows[::2]] == NAMES  # By number: 2 before 10.
    assert {(row.frame, other.frame) for row, other in zip(rows[::2], rows[1::2], strict=True)} == {(6, 16)}
    assert rows[-1] == Sample(
        path="test_release/30/HR_4.avi", label=1, split="test", subject="casia-fasd-test-30",
        domain="casia-fasd", attack="replay", media="casia-fasd/test/30/HR_4", frame=16,
    )  # fmt: skip


def test_what_each_number_shows(plant: Callable[..., Path]) -> None:
    rows = casia_mfsd(plant(*NAMES))
    for names, shown in (
        (LIVE, (0, None)),
        (WARPED, (1, "warped")),
        (CUT, (1, "cut")),
        (REPLAY, (1, "replay")),
    ):
        assert {(row.label, row.attack) for row in rows if Path(row.path).stem in names} == {shown}
    # A quarter is live in every part, as in the official 60 of 240 and 90 of 360 videos.
    live = Counter(row.split for row in rows if not row.label)
    assert {split: count * 4 for split, count in live.items()} == Counter(row.split for row in rows)


def test_the_same_number_is_another_person_in_test(plant: Callable[..., Path]) -> None:
    rows = casia_mfsd(plant(*NAMES))
    assert not shared(rows)
    assert len({row.subject for row in rows}) == 8
    assert {row.split for row in rows if row.path.startswith("train")} == {"train", "dev"}
    assert {row.split for row in rows if row.path.startswith("test")} == {"test"}


def test_what_is_missing_is_named(plant: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match="lacks the folder test_release"):
        casia_mfsd(plant(*NAMES[:12]))
    root = plant(*NAMES)
    (root / "train_release/10/HR_3.avi").unlink()
    with pytest.raises(ManifestError, match=r"train_release/10/HR_3\.avi: a video is missing"):
        casia_mfsd(root)


def test_a_part_without_people(plant: Callable[..., Path]) -> None:
    root = plant(*NAMES)
    (root / "train_release").rename(root / "elsewhere")
    (root / "train_release").mkdir()
    with pytest.raises(ManifestError, match="train_release: is empty"):
        casia_mfsd(root)
