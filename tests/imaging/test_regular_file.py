"""Only regular files of a bounded size are opened; everything else is one line, and never a hang."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from facetrust.errors import ImageError
from facetrust.imaging import pixels, read_image, video
from facetrust.imaging.regular_file import is_address, size_of
from facetrust.imaging.video import frame_count

READERS = [read_image, frame_count]


def message(call, path) -> str:
    with pytest.raises(ImageError) as caught:
        call(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_size_of_a_regular_file_is_returned(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert size_of(tmp_path / "a", limit=5, kind="an image") == 5
    assert size_of(str(tmp_path / "a"), limit=5, kind="an image") == 5
    assert "5 bytes; the limit is 4" in message(
        lambda p: size_of(p, limit=4, kind="an image"), tmp_path / "a"
    )


@pytest.mark.timeout(10)
@pytest.mark.parametrize("read", READERS)
def test_pipes_sockets_devices_and_folders_are_not_opened(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe")
    there = os.getcwd()
    os.chdir(tmp_path)  # The name of a socket may have 100 bytes only.
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    finally:
        os.chdir(there)
    assert "is not a regular file but a pipe; give" in message(read, tmp_path / "pipe")
    assert "is not a regular file but a socket; give" in message(read, tmp_path / "socket")
    assert "is not a regular file but a device; give" in message(read, "/dev/zero")
    assert "is a directory; give" in message(read, tmp_path)


@pytest.mark.parametrize("read", READERS)
def test_names_that_no_file_can_have(tmp_path: Path, read) -> None:
    assert "File name too long" in message(read, tmp_path / ("a" * 300))
    assert "null byte" in message(read, "a\0b")
    assert "no such file" in message(read, tmp_path / "none")
    (tmp_path / "file").touch()
    assert "Not a directory" in message(read, tmp_path / "file" / "none")


@pytest.mark.parametrize("read", READERS)
def test_the_limit_holds_before_anything_is_read(tmp_path: Path, read, monkeypatch) -> None:
    monkeypatch.setattr(pixels, "MAX_BYTES", 99)
    monkeypatch.setattr(video, "MAX_BYTES", 99)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(100)
    assert "100 bytes; the limit is 99" in message(read, tmp_path / "large")


@pytest.mark.parametrize("read", READERS)
def test_an_address_is_told_how_it_can_be_fetched(read) -> None:
    fetch = "is an address, and nothing is fetched; fetch it first: curl -L {} | facetrust check -"
    assert fetch.format("https://a.b/c.jpg") in message(read, "https://a.b/c.jpg")
    assert fetch.format("'http://a.b/c.jpg?x=1&y=2'") in message(read, Path("http://a.b/c.jpg?x=1&y=2"))
    assert "is an address (rtsp:), and nothing is fetched" in message(read, "rtsp://camera/1")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("http://a", True), ("s3://b/c", True), ("C:/photo.jpg", False), ("a/b.jpg", False), ("http:", False)],
)
def test_what_an_address_is(name: str, wanted: bool) -> None:
    assert is_address(name) is wanted


def test_a_cameras_number_is_answered_and_a_file_of_that_name_is_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "0: no such file; cameras are not read yet" in message(read_image, "0")
    Path("0").write_bytes(b"text")
    assert "0: is not an image" in message(read_image, "0")
