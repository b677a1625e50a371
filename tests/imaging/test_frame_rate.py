import struct

import cv2
import numpy as np
import pytest

from facetrust.errors import ImageError
from facetrust.imaging.frame_rate import frames_a_second
from facetrust.imaging.video import frame_count

FRAMES = [np.full((48, 64, 3), 12 * number, np.uint8) for number in range(20)]


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "mp4v")])
def test_frames_a_second(film, tmp_path, name, code):
    path = film(tmp_path / name, FRAMES, code)
    assert frames_a_second(path, frame_count(path)) == pytest.approx(25.0)


@pytest.mark.parametrize("told", [0.0, float("nan"), 16000.0])
def test_what_no_camera_does_is_taken_for_the_usual(film, tmp_path, monkeypatch, told):
    class Told:
        """A class of its own, for OpenCV's cannot be derived from."""

        def __init__(self, *opened):
            self.video = real(*opened)
            self.release = self.video.release

        def get(self, what):
            return told if what == cv2.CAP_PROP_FPS else self.video.get(what)

    real = cv2.VideoCapture
    path = film(tmp_path / "a.avi", FRAMES)
    monkeypatch.setattr(cv2, "VideoCapture", Told)
    assert frames_a_second(path, 20) == 25.0


def test_a_video_that_was_cut_off(film, tmp_path):
    path = film(tmp_path / "a.avi", FRAMES)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    count = frame_count(path)
    assert 0 < count < 15
    with pytest.raises(ImageError, match=rf"a\.avi: holds {count} of 20 frames; it was cut off"):
        frames_a_second(path, count)


def test_a_frame_or_two_may_lack(film, tmp_path):
    path = film(tmp_path / "a.avi", FRAMES)
    assert frames_a_second(path, 18) == 25.0
    with pytest.raises(ImageError, match="holds 17 of 20"):
        frames_a_second(path, 17)


def test_a_header_past_every_limit_promises_nothing(film, tmp_path):
    path = film(tmp_path / "a.avi", FRAMES)
    data = bytearray(path.read_bytes())
    for place in (data.index(b"avih") + 24, data.index(b"strh") + 40):
        struct.pack_into("<I", data, place, 2**31 - 1)
    path.write_bytes(data)
    assert frames_a_second(path, frame_count(path)) == 25.0


def test_the_promise_of_a_duration_is_none(film, tmp_path):
    assert frames_a_second(film(tmp_path / "a.mkv", FRAMES, "mp4v"), 5) == pytest.approx(25.0)
