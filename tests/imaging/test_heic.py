"""HEIC: opened where its package is installed, and told by name where it is not."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from facetrust.errors import ImageError
from facetrust.imaging import decode_image, read_image
from facetrust.imaging.heic import can_open_heic, is_heic
from facetrust.imaging.inputs import PICTURES, inputs_in, is_video, picture_suffixes, skipped_message

HEADER = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heicmiaf" + bytes(100)
AVIF = b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00avifmif1miaf" + bytes(100)


@pytest.fixture
def without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("facetrust.imaging.inputs.can_open_heic", lambda: False)


def test_it_is_known_by_its_brand() -> None:
    assert is_heic(HEADER)
    assert not is_heic(AVIF)
    assert not is_heic(b"\x00\x00\x00\x18ftypmp42")
    assert not is_heic(b"")
    assert not is_video(HEADER)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot write AVIF")
def test_avif_is_a_picture_although_it_begins_as_mp4_does() -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), "red").save(out, "AVIF")
    assert not is_heic(out.getvalue())
    assert not is_video(out.getvalue())
    assert decode_image(out.getvalue(), "x").shape == (24, 32, 3)


@pytest.mark.usefixtures("without_its_package")
def test_where_its_package_is_missing_the_message_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(HEADER)
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "a.heic")
    assert str(caught.value) == (
        f"{tmp_path / 'a.heic'}: is HEIC; pillow-heif is not installed; run: pip install 'facetrust[heic]' "
        "(in a checkout: pip install '.[heic]')"
    )


@pytest.mark.usefixtures("without_its_package")
def test_where_its_package_is_missing_a_folders_are_left_out_and_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.heic", "c.HEIF", "d.txt"):
        (tmp_path / name).touch()
    found = inputs_in([tmp_path])
    assert found.sources == [tmp_path / "a.png"]
    assert found.skipped == [tmp_path / name for name in ("b.heic", "c.HEIF", "d.txt")]
    text = skipped_message(found.skipped)
    assert text.startswith(
        "3 files skipped, neither a picture nor a video that can be decoded here; 2 of them "
    )
    assert "facetrust[heic]" in text
    assert not set(picture_suffixes()) - set(PICTURES)


@pytest.mark.skipif(not can_open_heic(), reason="pillow-heif is not installed")
def test_where_its_package_is_installed_it_is_a_picture_like_others(tmp_path: Path) -> None:
    import pillow_heif

    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = (200, 40, 40)
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(path, quality=90)
    assert np.abs(read_image(path).astype(int) - pixels)[:, 4:28].max() < 12
    assert inputs_in([tmp_path]).sources == [path]
    for length in (30, 200, len(path.read_bytes()) // 2):
        with pytest.raises(ImageError, match="x: is damaged"):
            decode_image(path.read_bytes()[:length], "x")
