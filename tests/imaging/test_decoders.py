"""Frames as they are shown, by OpenCV and by PyAV, and codes that OpenCV's build lacks."""

from __future__ import annotations

import struct
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.errors import ImageError
from facetrust.imaging import decoders, video
from facetrust.imaging.decoders import OpenCvDecoder, PyAvDecoder, in_shown_aspect
from facetrust.imaging.video import frame_count, read_frames, timing_of

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"
FRAME = np.zeros((48, 64, 3), np.uint8)
FRAME[:24, :32] = 240  # The upper left quarter.
DECODERS = [OpenCvDecoder, PyAvDecoder]


def encoded(path: Path, codec: str = "libx264", *, aspect: Fraction | None = None, count: int = 5) -> Path:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(FRAME, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def turned(path: Path) -> Path:
    """The file with a tag that asks for a quarter turn clockwise."""
    data = path.read_bytes()
    one = 1 << 16
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    at = data.index(plain, data.index(b"tkhd"))
    turn = struct.pack(">9i", 0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)
    path.write_bytes(data[:at] + turn + data[at + 36 :])
    return path


def frames_by(decoder, path):
    """All frames and their times."""
    opened = decoder(path)
    found = []
    while opened.grab():
        found.append((opened.time, opened.retrieve()))
    opened.close()
    return found


def bright_quarter(image) -> tuple[int, int]:
    """Row and column of the only bright quarter."""
    parts = [[part.mean() > 120 for part in np.array_split(half, 2, 1)] for half in np.array_split(image, 2)]
    ((row, column),) = np.argwhere(parts)
    return int(row), int(column)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("aspect", "shape"),
    [
        (None, (48, 64)), (Fraction(1), (48, 64)), (Fraction(2), (48, 128)), (Fraction(1, 2), (96, 64)),
        (Fraction(16, 11), (48, 93)),
    ],
)  # fmt: skip
def test_frames_are_as_wide_as_they_are_shown(tmp_path, decoder, aspect, shape):
    for name in ("a.mp4", "a.mkv"):
        found = frames_by(decoder, encoded(tmp_path / name, aspect=aspect))
        assert [image.shape for _, image in found] == [(*shape, 3)] * 5
        assert bright_quarter(found[2][1]) == (0, 0)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("aspect", "shape"), [(None, (64, 48)), (Fraction(2), (128, 48))])
def test_the_shape_of_pixels_is_turned_with_the_frame(tmp_path, decoder, aspect, shape):
    """A phone held upright stores frames that lie: twice as wide as stored is then twice as high."""
    found = frames_by(decoder, turned(encoded(tmp_path / "a.mp4", aspect=aspect)))
    assert found[2][1].shape == (*shape, 3)
    assert bright_quarter(found[2][1]) == (0, 1)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm", "a.avi"])
def test_both_decoders_agree(tmp_path, name):
    codec = {"a.webm": "libvpx", "a.avi": "mpeg4"}.get(name, "libx264")
    path = encoded(tmp_path / name, codec, count=12)
    ours, theirs = (frames_by(decoder, path) for decoder in DECODERS)
    assert [time for time, _ in ours] == pytest.approx([time for time, _ in theirs], abs=1e-6)
    assert len(ours) == 12
    for (_, one), (_, other) in zip(ours, theirs, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2


def test_what_opencv_can_decode_is_never_given_to_pyav(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "open_with_pyav", lambda path: pytest.fail("was asked"))
    assert frame_count(encoded(tmp_path / "a.mp4", "libx265")) == 5


@pytest.fixture
def av1(tmp_path) -> Path:
    path = encoded(tmp_path / "av1.mp4", "libsvtav1", aspect=Fraction(2), count=10)
    if OpenCvDecoder(path).opened:
        pytest.skip("this build of OpenCV decodes AV1")
    return path


def test_av1_is_decoded_where_pyav_is(av1):
    assert frame_count(av1) == 10
    assert timing_of(av1).times == pytest.approx(np.arange(10) / 25)
    first, last = read_frames(av1, [0, 9])
    assert first.shape == last.shape == (48, 128, 3)
    assert bright_quarter(first) == bright_quarter(last) == (0, 0)


def test_av1_where_pyav_is_not_is_told_how(av1, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImageError) as caught:
        frame_count(av1)
    assert str(caught.value) == (
        f"{av1}: is AV1, which this build of OpenCV cannot decode; convert it to H.264, or let PyAV decode "
        "it: av is not installed; run: pip install 'facetrust[video]' (in a checkout: pip install '.[video]')"
    )


@pytest.mark.skipif(not CASES.is_dir(), reason="no cases beside the checkout")
def test_a_film_in_av1():
    pytest.importorskip("av")
    assert timing_of(CASES / "av1.mp4").end == pytest.approx(2.0)
    (middle,) = read_frames(CASES / "av1.mp4", [12])
    assert middle.shape == (240, 320, 3)
    assert middle.std() > 30


def test_damage_is_one_line(av1):
    data = bytearray(av1.read_bytes())
    at = data.index(b"mdat") + 4
    zeros = bytes(data[:at]) + bytes(len(data) - at)
    for damaged in (zeros, bytes(data[:at])):
        av1.write_bytes(damaged)
        with pytest.raises(ImageError, match=r"av1\.mp4: is damaged, or a video that cannot"):
            timing_of(av1)


def test_the_limit_is_on_the_frame_as_it_is_shown(tmp_path, monkeypatch):
    path = encoded(tmp_path / "a.mp4", aspect=Fraction(2))
    monkeypatch.setattr(decoders, "MAX_PIXELS", 64 * 48 * 2)
    assert frame_count(path) == 5
    monkeypatch.setattr(decoders, "MAX_PIXELS", 64 * 48 * 2 - 1)
    for open_it in (frame_count, PyAvDecoder):
        with pytest.raises(ImageError, match="64x48 pixels a frame, shown as 6144; the limit is 6143 in all"):
            open_it(path)


def test_square_pixels_are_left_alone():
    assert in_shown_aspect(FRAME, 1.0) is FRAME
    wide = in_shown_aspect(FRAME, 1.5)
    assert wide.shape == (48, 96, 3)
    assert np.array_equal(wide, cv2.resize(FRAME, (96, 48), interpolation=cv2.INTER_LINEAR))
