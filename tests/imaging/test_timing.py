"""When frames are shown: by the container's time stamps, or at a usual rate where these are of no use."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.errors import ImageError
from facetrust.imaging.video import frame_count, timing_of

FRAMES = [np.full((48, 64, 3), 12 * number, np.uint8) for number in range(20)]
CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"
EVEN = np.arange(20) / 25


class Told:
    """OpenCV's reader with some answers replaced; a class of its own, for OpenCV's cannot be derived from."""

    real = cv2.VideoCapture
    answers: dict[int, float]

    def __init__(self, *opened):
        self.video = Told.real(*opened)

    def __getattr__(self, name):
        return getattr(self.video, name)

    def get(self, what):
        return self.answers.get(what, self.video.get(what))


@pytest.fixture
def told(monkeypatch):
    def replace(answers):
        Told.answers = answers
        monkeypatch.setattr(cv2, "VideoCapture", Told)

    return replace


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "mp4v")])
def test_an_even_rate(film, tmp_path, name, code):
    timing = timing_of(film(tmp_path / name, FRAMES, code))
    assert timing.times == pytest.approx(EVEN)
    assert timing.end == pytest.approx(0.8)


def variable(path: Path, codec: str, stamps: list[int]) -> Path:
    """A video whose frames are shown at these milliseconds."""
    av = pytest.importorskip("av")
    milliseconds = Fraction(1, 1000)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = milliseconds
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(FRAMES[number], "rgb24")
            frame.pts, frame.time_base = stamp, milliseconds
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.mov", "libx264"), ("a.ts", "libx264"),
        ("a.flv", "libx264"), ("a.webm", "libvpx"), ("a.3gp", "mpeg4"), ("a.avi", "mpeg4"), ("a.wmv", "wmv2"),
        ("a.mp4", "libsvtav1"),
    ],
)  # fmt: skip
def test_a_variable_rate(tmp_path, name, codec):
    """Ten frames 40 ms apart, then ten 400 ms apart; H.264 has frames that are stored out of their order."""
    stamps = [*range(0, 400, 40), *range(400, 4400, 400)]
    path = variable(tmp_path / name, codec, stamps)
    timing = timing_of(path)
    assert timing.times == pytest.approx(np.asarray(stamps) / 1000, abs=2e-3)
    assert timing.end == pytest.approx(4.2, abs=0.25)
    assert frame_count(path) == 20


@pytest.mark.skipif(not CASES.is_dir(), reason="no cases beside the checkout")
def test_a_film_of_25_seconds_whose_frames_are_few():
    """Twelve frames in half a second, then one every two seconds."""
    timing = timing_of(CASES / "vfr.mkv")
    assert timing.times[:13] == pytest.approx([*(0.04 * n for n in range(12)), 2.44])
    assert timing.end == pytest.approx(24.5, abs=0.1)


@pytest.mark.parametrize("rate", [0.0, float("nan")])
def test_a_header_without_a_rate(film, tmp_path, told, rate):
    path = film(tmp_path / "a.avi", FRAMES)
    told({cv2.CAP_PROP_FPS: rate})
    timing = timing_of(path)
    assert timing.times == pytest.approx(EVEN)
    assert timing.end == pytest.approx(0.8)


@pytest.mark.parametrize("stamp", [0.0, 7e-5])
def test_time_stamps_that_no_camera_makes_are_taken_for_the_usual_rate(film, tmp_path, told, stamp):
    """All frames at once; a clock's ticks for frames per second."""
    path = film(tmp_path / "a.avi", FRAMES)
    told({cv2.CAP_PROP_POS_MSEC: stamp, cv2.CAP_PROP_FPS: 16000.0})
    timing = timing_of(path)
    assert timing.times == pytest.approx(EVEN)
    assert timing.end == pytest.approx(0.8)


def test_times_never_fall(film, tmp_path, told, monkeypatch):
    path = film(tmp_path / "a.avi", FRAMES[:4])
    stamps = iter([0.0, 80.0, 40.0, 120.0])
    told({})
    monkeypatch.setattr(
        Told,
        "get",
        lambda self, what: next(stamps) if what == cv2.CAP_PROP_POS_MSEC else self.video.get(what),
    )
    assert timing_of(path).times == pytest.approx([0, 0.08, 0.08, 0.12])


def test_a_video_that_was_cut_off(film, tmp_path):
    path = film(tmp_path / "a.avi", FRAMES)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    assert 0 < frame_count(path) < 15
    with pytest.raises(ImageError, match=r"a\.avi: ends after 0\.\d of 0\.8 seconds; it was cut off"):
        timing_of(path)


@pytest.mark.parametrize(("promised", "whole"), [(22, True), (23, False)])
def test_a_frame_or_two_may_lack(film, tmp_path, told, promised, whole):
    path = film(tmp_path / "a.avi", FRAMES)
    told({cv2.CAP_PROP_FRAME_COUNT: float(promised)})
    if whole:
        assert timing_of(path).end == pytest.approx(0.8)
    else:
        with pytest.raises(ImageError, match=r"ends after 0\.8 of 0\.9 seconds"):
            timing_of(path)


def test_a_header_past_every_limit_promises_nothing(film, tmp_path):
    path = film(tmp_path / "a.avi", FRAMES)
    data = bytearray(path.read_bytes())
    for place in (data.index(b"avih") + 24, data.index(b"strh") + 40):
        struct.pack_into("<I", data, place, 2**31 - 1)
    path.write_bytes(data)
    assert timing_of(path).end == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("name", "code"), [("a.mkv", "mp4v"), ("a.ts", "MPG2"), ("a.flv", "FLV1"), ("a.wmv", "WMV2")]
)
def test_a_number_of_frames_that_is_a_guess_is_no_promise(film, tmp_path, told, name, code):
    path = film(tmp_path / name, FRAMES, code)
    told({cv2.CAP_PROP_FRAME_COUNT: 100.0})
    assert timing_of(path).end == pytest.approx(0.8, abs=0.01)


def test_no_frame(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"RIFF" + bytes(4) + b"AVI " + bytes(200))
    with pytest.raises(ImageError, match=r"a\.avi: is damaged"):
        timing_of(tmp_path / "a.avi")
