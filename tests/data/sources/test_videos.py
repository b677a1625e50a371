from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources._videos import part_at, rows_of, spread, spread_rows, with_dev
from facetrust.errors import ManifestError, UsageError
from facetrust.imaging.video import read_frames
from facetrust.records import Sample

VIDEO = Sample(path="a.avi", label=1, split="test", subject="s", attack="print", media="m")


@pytest.mark.parametrize(
    ("count", "frames"),
    [(1, [0]), (4, [3]), (7, [6]), (8, [6, 7]), (13, [6, 12]), (14, [6, 13]), (31, [6, 21])],
)
def test_the_frames_of_ssdg(
    tmp_path: Path, clip: Callable[[int], bytes], count: int, frames: list[int]
) -> None:
    (tmp_path / "a.avi").write_bytes(clip(count))
    assert rows_of(tmp_path, VIDEO) == [VIDEO.model_copy(update={"frame": frame}) for frame in frames]


def test_a_damaged_video_has_a_row_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"RIFF")
    assert [row.frame for row in rows_of(tmp_path, VIDEO)] == [6]
    (tmp_path / "a.avi").unlink()
    with pytest.raises(ManifestError, match=r"a\.avi: a video is missing"):
        rows_of(tmp_path, VIDEO)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert part_at(tmp_path, "train", "train/ and test/") == tmp_path / "train"
    with pytest.raises(ManifestError, match="lacks the folder test; give the folder that holds train/ and"):
        part_at(tmp_path, "test", "train/ and test/")


@pytest.mark.parametrize(("people", "dev"), [(15, 3), (20, 4)])
def test_a_fifth_of_the_train_subjects_becomes_dev(people: int, dev: int) -> None:
    rows = [
        Sample(path=f"{split}{who}{label}", label=label, split=split, subject=f"{split}{who}")
        for split, count in (("train", people), ("test", 9))
        for who in range(count)
        for label in (0, 1, 1)
    ]
    drawn = with_dev(rows, seed=0)
    assert [row.path for row in drawn] == [row.path for row in rows]
    assert all((row.split == "test") == row.path.startswith("test") for row in drawn)
    subjects = {split: {row.subject for row in drawn if row.split == split} for split in ("train", "dev")}
    assert not subjects["train"] & subjects["dev"]
    assert (len(subjects["train"]), len(subjects["dev"])) == (people - dev, dev)
    assert drawn == with_dev(rows, seed=0)
    assert drawn != with_dev(rows, seed=1)


@pytest.mark.parametrize(
    ("total", "count", "frames"),
    [
        (5, 5, [0, 1, 2, 3, 4]),
        (5, 3, [0, 2, 4]),
        (5, 2, [1, 3]),
        (5, 1, [2]),
        (5, 9, [0, 1, 2, 3, 4]),
        (1, 10, [0]),
        (20, 5, [2, 6, 10, 14, 18]),
        (300, 10, [15, 45, 75, 105, 135, 165, 195, 225, 255, 285]),
    ],
)
def test_frames_are_the_middles_of_equal_parts(total: int, count: int, frames: list[int]) -> None:
    assert spread(total, count) == frames


def test_each_frame_is_the_nearest_to_the_middle_of_its_part() -> None:
    for total in range(1, 40):
        for count in range(1, total + 1):
            # A frame is as long as 1 and lies about its number plus a half.
            middles = [(part + 0.5) * total / count for part in range(count)]
            nearest = [min(range(total), key=lambda n: (abs(n + 0.5 - at), -n)) for at in middles]
            assert spread(total, count) == nearest


def test_the_rows_are_those_frames_of_the_videos(tmp_path: Path, clip: Callable[[int], bytes]) -> None:
    fake = VIDEO
    real = Sample(path="b.avi", label=0, split="dev", subject="s", media="n")
    (tmp_path / "a.avi").write_bytes(clip(5))
    (tmp_path / "b.avi").write_bytes(clip(50))
    rows = spread_rows(tmp_path, [fake, real], (5, 2))
    assert rows == [
        *(fake.model_copy(update={"frame": frame}) for frame in (1, 3)),
        *(real.model_copy(update={"frame": frame}) for frame in (5, 15, 25, 35, 45)),
    ]
    assert [row.frame for row in spread_rows(tmp_path, [fake], 5)] == [0, 1, 2, 3, 4]
    # Frame n of the clip is grey n.
    seen = read_frames(tmp_path / "b.avi", [row.frame or 0 for row in rows[2:]])
    assert [round(float(frame.mean())) for frame in seen] == pytest.approx([5, 15, 25, 35, 45], abs=1)


def test_spread_rows_of_damaged_and_missing_videos(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"RIFF")
    assert [row.frame for row in spread_rows(tmp_path, [VIDEO], 10)] == [0]
    (tmp_path / "a.avi").unlink()
    with pytest.raises(ManifestError, match=r"a\.avi: a video is missing"):
        spread_rows(tmp_path, [VIDEO], 10)
    for frames in (0, (10, 0)):
        with pytest.raises(UsageError, match="frames must be at least 1"):
            spread_rows(tmp_path, [VIDEO], frames)
