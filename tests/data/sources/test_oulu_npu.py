from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.oulu_npu import oulu_npu
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

NAMES = [
    f"{part}_files/{phone}_{session}_{user}_{file}.avi"
    for part, users in (("Train", ("01", "20")), ("Dev", ("21",)), ("Test", ("36", "55")))
    for phone, session in ((1, 1), (4, 2), (6, 3))
    for user in users
    for file in range(1, 6)
]
BESIDE = ("Train_files/1_1_01_1.txt", "Train_files/._1_1_01_1.avi", "Protocols/Protocol_1/Train.txt")


def test_the_released_layout(plant: Callable[..., Path]) -> None:
    rows = oulu_npu(plant(*NAMES, *BESIDE))
    assert [row.path for row in rows[::2]] == NAMES
    assert rows[-1] == Sample(
        path="Test_files/6_3_55_5.avi", label=1, split="test", subject="oulu-npu-55", domain="oulu-npu",
        attack="replay", media="oulu-npu/6_3_55_5", frame=16,
    )  # fmt: skip
    assert {row.split for row in rows if row.path.startswith("Dev")} == {"dev"}
    assert not shared(rows)


def test_the_media_tells_what_the_protocols_choose_by(plant: Callable[..., Path]) -> None:
    shown = {1: (0, None), 2: (1, "print"), 3: (1, "print"), 4: (1, "replay"), 5: (1, "replay")}
    for row in oulu_npu(plant(*NAMES)):
        phone, session, user, file = map(int, str(row.media).removeprefix("oulu-npu/").split("_"))
        assert (phone, session) in ((1, 1), (4, 2), (6, 3))
        assert row.subject == f"oulu-npu-{user:02d}"
        assert (row.label, row.attack) == shown[file]


def test_what_is_missing_is_named(plant: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match="lacks the folder Dev_files"):
        oulu_npu(plant(*NAMES[:5]))
    root = plant(*NAMES)
    (root / "Test_files/4_2_36_1.avi").unlink()
    with pytest.raises(ManifestError, match=r"Test_files/4_2_36_1\.avi: a video is missing"):
        oulu_npu(root)


def test_other_names_are_refused(plant: Callable[..., Path]) -> None:
    root = plant(*NAMES, "Train_files/1_4_01_1.avi")
    with pytest.raises(ManifestError, match=r"1_4_01_1\.avi: is not named phone_session_user_file"):
        oulu_npu(root)
    (root / "Dev_files").rename(root / "elsewhere")
    (root / "Train_files/1_4_01_1.avi").unlink()
    (root / "Dev_files").mkdir()
    with pytest.raises(ManifestError, match=r"Dev_files: holds no \.avi videos"):
        oulu_npu(root)
