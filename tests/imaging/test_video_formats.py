"""The containers that are checked as videos, each with a real file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facetrust.errors import ImageError
from facetrust.imaging.video import HEAD, VIDEOS, frame_count, looks_like_video, read_frames, timing_of

FRAMES = [np.full((48, 64, 3), 12 * number, np.uint8) for number in range(20)]
FORMATS = [
    ("a.3gp", "mp4v"), ("a.3g2", "mp4v"), ("a.ts", "MPG2"), ("a.mts", "mp4v"), ("a.m2ts", "mp4v"),
    ("a.mpg", "mpg2"), ("a.mpeg", "mpg1"), ("a.wmv", "WMV2"), ("a.flv", "FLV1"), ("a.ogv", "VP80"),
    ("a.webm", "VP80"), ("a.mkv", "mp4v"), ("a.mp4", "mp4v"), ("a.m4v", "mp4v"), ("a.mov", "mp4v"),
    ("a.avi", "XVID"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code"), FORMATS)
def test_every_format_is_known_by_its_content_and_decoded(tmp_path: Path, film, name: str, code: str) -> None:
    path = film(tmp_path / name, FRAMES, code)
    assert looks_like_video(path.read_bytes()[:HEAD])
    assert frame_count(path) == 20
    first, last = read_frames(path, [0, 19])
    assert first.mean() < 12
    assert last.mean() == pytest.approx(12 * 19, abs=6)
    assert timing_of(path).times == pytest.approx(np.arange(20) / 25, abs=2e-3)


def test_all_suffixes_are_tried() -> None:
    assert {Path(name).suffix for name, _ in FORMATS} == set(VIDEOS)


@pytest.mark.parametrize(
    "start",
    [
        b"", b"G", b"#EXTM3U\nhttp://localhost/a.ts", b"GIF89a" + b"G" * 500, b"RIFF\0\0\0\0WEBPVP8 ",
        b"\0\0\0\x1cftypavif", b"\0\0\0\x1cftypheic", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n",
        b"ffconcat version 1.0\nfile /etc/passwd", b"%!PS-Adobe",
    ],
)  # fmt: skip
def test_pictures_playlists_and_text_are_no_videos(tmp_path: Path, start: bytes) -> None:
    assert not looks_like_video(start[:HEAD])
    (tmp_path / "a.ts").write_bytes(start or b"x")
    with pytest.raises(ImageError, match="is not a video of a known format"):
        frame_count(tmp_path / "a.ts")
