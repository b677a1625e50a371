from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.data.decoded import Decoded
from facetrust.errors import ImageError
from facetrust.imaging import Pixels, read_sample
from facetrust.records import Sample

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)


class Counted:
    """Reads as ever, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, sample: Sample) -> tuple[Pixels, Sample]:
        self.times += 1
        return read_sample(sample)


@pytest.fixture
def row(tmp_path: Path) -> Sample:
    cv2.imwrite(str(tmp_path / "a.png"), PIXELS[:, :, ::-1])
    return Sample(path=str(tmp_path / "a.png"), label=0, split="train")


def test_a_picture_is_decoded_once_for_all_that_share_the_folder(row: Sample, tmp_path: Path) -> None:
    counted = Counted()
    for _ in range(2):
        read = Decoded(tmp_path / "kept", counted)
        for _ in range(2):
            pixels, same = read(row)
            assert np.array_equal(pixels, PIXELS)
            assert (pixels.dtype, same) == (np.uint8, row)
            pixels[:] = 0  # What is kept is no one's to change.
    assert counted.times == 1
    (file,) = (tmp_path / "kept").rglob("*.*")
    assert file.stat().st_size == 30 * 20 * 3 + 128


def test_a_picture_that_has_changed_and_a_damaged_file_are_read_anew(row: Sample, tmp_path: Path) -> None:
    counted = Counted()
    read = Decoded(tmp_path / "kept", counted)
    read(row)
    cv2.imwrite(row.path, PIXELS)
    os.utime(row.path, ns=(1, 1))
    assert np.array_equal(read(row)[0], PIXELS[:, :, ::-1])
    for file in (tmp_path / "kept").rglob("*.npy"):
        file.write_bytes(file.read_bytes()[:-10])
    assert np.array_equal(read(row)[0], PIXELS[:, :, ::-1])
    assert np.array_equal(read(row)[0], PIXELS[:, :, ::-1])
    assert counted.times == 3


def test_nothing_is_kept_of_what_cannot_be_read(row: Sample, tmp_path: Path) -> None:
    read = Decoded(tmp_path / "kept")
    Path(row.path).write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"a\.png: is not an image"):
        read(row)
    Path(row.path).unlink()
    with pytest.raises(ImageError, match=r"a\.png"):
        read(row)
    assert not (tmp_path / "kept").exists()
