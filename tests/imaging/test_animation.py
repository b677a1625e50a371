"""Pictures of several frames or pages are videos, with their durations for times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from facetrust.errors import ImageError
from facetrust.imaging import animation, read_image
from facetrust.imaging.animation import is_animation
from facetrust.imaging.inputs import Encoded, is_video
from facetrust.imaging.video import frame_count, read_frames, timing_of

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"
LEVELS = (20, 200, 80, 140)
AVIF = pytest.param("a.avif", marks=pytest.mark.skipif(not features.check("avif"), reason="no AVIF here"))
NAMES = ["a.gif", "a.png", "a.webp", "a.tiff", AVIF]
DURATIONS = [100, 300, 50, 400]


def pictures(levels=LEVELS, size=(48, 32)) -> list[Image.Image]:
    return [Image.new("RGB", size, (level,) * 3) for level in levels]


def animated(path: Path, levels=LEVELS, durations=None) -> Path:
    first, *more = pictures(levels)
    timed = {} if path.suffix == ".tiff" else {"duration": (durations or DURATIONS)[: len(levels)]}
    first.save(path, save_all=True, append_images=more, **timed)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_is_read_frame_by_frame(tmp_path, name):
    path = animated(tmp_path / name)
    assert is_animation(path)
    assert is_video(path)
    assert is_video(str(path))
    assert is_video(path.read_bytes())
    assert is_video(Encoded("x", path.read_bytes()))
    assert frame_count(path) == 4
    frames = read_frames(path, [3, 0, 1, 2])
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * 4
    assert [float(frame.mean()) for frame in frames] == pytest.approx([140, 20, 200, 80], abs=4)
    timing = timing_of(path)
    lasting = [1.0] * 4 if name == "a.tiff" else np.asarray(DURATIONS) / 1000
    assert timing.times == pytest.approx(np.cumsum([0, *lasting[:-1]]))
    assert timing.end == pytest.approx(sum(lasting))
    assert timing.paged == (name == "a.tiff")


@pytest.mark.parametrize("name", NAMES)
def test_a_single_frame_is_a_picture(tmp_path, name):
    path = tmp_path / name
    pictures()[0].save(path)
    assert not is_animation(path)
    assert not is_video(path)
    assert not is_video(path.read_bytes())
    assert read_image(path).shape == (32, 48, 3)


def test_an_mpo_is_a_picture(tmp_path):
    first, *more = pictures()
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=more)
    assert not is_video(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n acTL", b"II*\0", b"text"])
def test_what_cannot_be_opened_is_left_to_the_reader_of_pictures(tmp_path, content):
    (tmp_path / "a.gif").write_bytes(content)
    assert not is_animation(tmp_path / "a.gif")
    assert not is_animation(content)
    assert not is_animation(tmp_path)
    assert not is_animation(tmp_path / "none.gif")


def test_no_time_is_a_tenth_of_a_second_as_in_browsers(tmp_path):
    timing = timing_of(animated(tmp_path / "a.gif", durations=[0, 10, 20, 0]))
    assert timing.times == pytest.approx([0, 0.1, 0.2, 0.22])
    assert timing.end == pytest.approx(0.32)


def test_transparency_is_laid_on_white_and_kept_parts_stay(tmp_path):
    """The second frame paints the left half only; what it leaves is the first frame's."""
    first = Image.new("RGBA", (40, 20), (200, 0, 0, 255))
    second = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    second.paste((0, 0, 200, 255), (0, 0, 20, 20))
    for name, more in (("a.png", {"blend": 1}), ("a.webp", {"lossless": True})):
        path = tmp_path / name
        first.save(path, save_all=True, append_images=[second], duration=100, **more)
        _, frame = read_frames(path, [0, 1])
        assert frame[10, 5].tolist() == [0, 0, 200]
        assert frame[10, 35].tolist() == ([200, 0, 0] if name == "a.png" else frame[10, 35].tolist())
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(tmp_path / "b.png", save_all=True, append_images=[first])
    assert read_frames(tmp_path / "b.png", [0])[0].tolist() == np.full((20, 40, 3), 255).tolist()


def test_pages_may_be_of_several_sizes(tmp_path):
    Image.new("RGB", (48, 32)).save(tmp_path / "a.tif", save_all=True, append_images=pictures([9], (20, 60)))
    assert [page.shape for page in read_frames(tmp_path / "a.tif", [0, 1])] == [(32, 48, 3), (60, 20, 3)]


def test_damage_is_one_line(tmp_path):
    data = animated(tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ImageError) as caught:
        timing_of(tmp_path / "a.gif")
    assert str(caught.value).startswith(f"{tmp_path / 'a.gif'}: frame ")
    assert "\n" not in str(caught.value)


def test_limits(tmp_path, monkeypatch):
    path = animated(tmp_path / "a.gif")
    monkeypatch.setattr(animation, "MAX_DECODED", 3 * 48 * 32)
    with pytest.raises(ImageError, match=r"a\.gif: more than 4608 pixels in all its frames"):
        frame_count(path)
    monkeypatch.undo()
    tiny = tmp_path / "tiny.tif"
    pictures()[0].save(tiny, save_all=True, append_images=pictures([9], (48, 7)))
    with pytest.raises(ImageError, match=r"tiny\.tif: 48x7 pixels; at least 8 a side"):
        timing_of(tiny)
    monkeypatch.setattr(animation, "MAX_BYTES", 10)
    assert not is_animation(path)


def test_bytes_in_memory_may_be_a_view(tmp_path):
    data = animated(tmp_path / "a.webp").read_bytes()
    assert is_animation(memoryview(data))
    assert is_animation(bytearray(data))


@pytest.mark.skipif(not CASES.is_dir(), reason="no cases beside the checkout")
def test_a_film_whose_first_frame_is_blank():
    timing = timing_of(CASES / "anim_blankfirst.webp")
    assert timing.times == pytest.approx([0, 0.2])
    blank, photo = read_frames(CASES / "anim_blankfirst.webp", [0, 1])
    assert blank.std() < 5 < 30 < photo.std()
