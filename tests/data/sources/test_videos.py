from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources._videos import part_at, rows_of, with_dev
from facetrust.errors import ManifestError
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
