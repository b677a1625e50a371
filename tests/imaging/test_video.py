import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facetrust.errors import ImageError, UsageError
from facetrust.imaging import Pixels, decoders, video
from facetrust.imaging.video import frame_count, iter_frames, read_frames

Film = Callable[..., Path]
CODES = [("a.avi", "MJPG"), ("a.mov", "MJPG"), ("a.mp4", "mp4v"), ("a.mov", "mp4v"), ("a.avi", "XVID")]
COUNT = 20


def grey(count: int = COUNT, size: tuple[int, int] = (48, 64)) -> list[Pixels]:
    """Frames of one grey each, twelve levels apart, so that a frame tells its number."""
    return [np.full((*size, 3), 12 * number, dtype=np.uint8) for number in range(count)]


def number_of(frame: Pixels) -> int:
    return round(float(frame.mean()) / 12)


def cut(path: Path, share: float) -> Path:
    """The first part of a file, as an interrupted download leaves it."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize(("name", "code"), CODES)
def test_every_frame_is_the_one_asked_for(tmp_path: Path, film: Film, name: str, code: str) -> None:
    path = film(tmp_path / name, grey(), code)
    assert frame_count(path) == COUNT
    wanted = [17, 0, 12, 12, 19, 1]
    frames = read_frames(path, wanted)
    assert [number_of(frame) for frame in frames] == wanted
    assert all(frame.shape == (48, 64, 3) and frame.dtype == np.uint8 for frame in frames)
    assert [index for index, _ in iter_frames(str(path), wanted)] == [0, 1, 12, 17, 19]
    assert read_frames(path, []) == []


def test_colours_are_red_green_blue(tmp_path: Path, film: Film) -> None:
    frame = np.zeros((32, 32, 3), dtype=np.uint8)
    frame[:, :16], frame[:, 16:] = (250, 0, 0), (0, 0, 250)
    (read,) = read_frames(film(tmp_path / "a.avi", [frame] * 3), [1])
    assert np.abs(read[:, 4:12].astype(int) - (250, 0, 0)).max() < 12
    assert np.abs(read[:, 20:28].astype(int) - (0, 0, 250)).max() < 12


def test_frames_are_upright_by_the_rotation_tag(tmp_path: Path, film: Film) -> None:
    frame = np.zeros((48, 64, 3), dtype=np.uint8)
    frame[:24, :32] = 240  # The upper left quarter, which a quarter turn clockwise moves to the right.
    path = film(tmp_path / "a.mp4", [frame] * 5, "mp4v")
    data = path.read_bytes()
    one = 1 << 16
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)
    at = data.index(plain, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + 36 :])
    (read,) = read_frames(path, [2])
    assert read.shape == (64, 48, 3)
    bright = [float(part.mean()) > 120 for half in np.split(read, 2) for part in np.split(half, 2, axis=1)]
    assert bright == [False, True, False, False]


@pytest.mark.parametrize("code", ["MJPG", "XVID"])
def test_a_header_that_promises_too_much(tmp_path: Path, film: Film, code: str) -> None:
    path = cut(film(tmp_path / "a.avi", grey(), code), 0.88)
    count = frame_count(path)
    assert 0 < count < COUNT
    assert len(read_frames(path, range(count))) == count
    with pytest.raises(ImageError, match=rf"a\.avi: ends after {count} frames; no frame 19, counted from 0"):
        read_frames(path, [0, 19])
    before = []
    with pytest.raises(ImageError, match="ends after"):
        before += (index for index, _ in iter_frames(path, [3, 0, 19]))
    assert before == [0, 3]


def test_a_header_that_knows_nothing_or_too_little(tmp_path: Path, film: Film) -> None:
    path = film(tmp_path / "a.avi", grey())
    data = bytearray(path.read_bytes())
    places = (data.index(b"avih") + 24, data.index(b"strh") + 40)
    assert [struct.unpack_from("<I", data, place) for place in places] == [(COUNT,), (COUNT,)]
    for told in (0, 7, COUNT + 1, 2**31 - 1):
        for place in places:
            struct.pack_into("<I", data, place, told)
        path.write_bytes(data)
        assert frame_count(path) == COUNT


def test_frames_without_a_video() -> None:
    for wrong in ([-1], [3, video.MAX_FRAMES]):
        with pytest.raises(UsageError, match="numbered from 0 to 107999"):
            read_frames("none.avi", wrong)


@pytest.mark.parametrize("read", [frame_count, lambda path: read_frames(path, [0])])
def test_what_is_no_video_is_one_line(tmp_path: Path, film: Film, read: Callable[[Path], object]) -> None:
    def said(path: Path) -> str:
        with pytest.raises(ImageError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def holding(content: bytes) -> Path:
        (tmp_path / "b.avi").write_bytes(content)
        return tmp_path / "b.avi"

    assert "no such file" in said(tmp_path / "none.avi")
    assert "is a directory" in said(tmp_path)
    assert "is empty" in said(holding(b""))
    assert "not a video of a known format" in said(holding(b"hello, this is text"))
    assert "not a video of a known format" in said(holding(b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.ts\n"))
    assert "is damaged" in said(holding(b"RIFF" + bytes(4) + b"AVI " + bytes(200)))
    assert "is damaged" in said(cut(film(tmp_path / "a.mp4", grey(), "mp4v"), 0.5))


def test_limits(tmp_path: Path, film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "a.avi", grey(12))
    monkeypatch.setattr(video, "MAX_FRAMES", 11)
    with pytest.raises(ImageError, match="more than 11 frames; cut it"):
        frame_count(path)
    monkeypatch.setattr(decoders, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(ImageError, match="64x48 pixels a frame; the limit is 3071"):
        frame_count(path)
    monkeypatch.setattr(video, "MAX_BYTES", 99)
    with pytest.raises(ImageError, match=rf"{path.stat().st_size} bytes; the limit is 99"):
        read_frames(path, [0])


def test_nothing_is_said_on_standard_error(tmp_path: Path, film: Film) -> None:
    path = film(tmp_path / "a.mp4", grey(), "mp4v")
    data = bytearray(path.read_bytes())
    data[100 : len(data) // 2 : 7] = np.random.default_rng(0).bytes(len(data[100 : len(data) // 2 : 7]))
    path.write_bytes(data)
    (tmp_path / "b.avi").write_bytes(b"RIFF" + bytes(4) + b"AVI " + bytes(200))
    code = (
        "import sys\nfrom facetrust.errors import ImageError\n"
        "from facetrust.imaging.video import frame_count\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(frame_count(path))\n"
        "    except ImageError as error: print(error)\n"
    )
    place = {key: value for key, value in os.environ.items() if not key.startswith("OPENCV")}
    done = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "b.avi"],
        capture_output=True, text=True, check=True, env=place,
    )  # fmt: skip
    assert int(done.stdout.splitlines()[0]) < COUNT
    assert "is damaged" in done.stdout
    assert done.stderr == ""
