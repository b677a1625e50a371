from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from facetrust.errors import ImageError
from facetrust.imaging import read_sample
from facetrust.imaging.plain_png import decode_plain_png
from facetrust.records import Sample

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


def png(pixels: Any = PIXELS, **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **settings)
    return file.getvalue()


def noted() -> PngImagePlugin.PngInfo:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("box", "1 2 3 4")
    return notes


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


@pytest.mark.parametrize("settings", [{}, {"compress_level": 0}, {"pnginfo": noted()}])
def test_the_pixels_are_those_that_were_written(settings: dict[str, Any]) -> None:
    found = decode_plain_png(png(**settings))
    assert found is not None
    assert np.array_equal(found, PIXELS)
    assert found.flags.writeable


def orientation() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    "data",
    [
        b"",
        png()[:20],
        png(PIXELS[:, :, 0]),
        png(np.dstack([PIXELS, PIXELS[:, :, :1]])),
        png(exif=orientation()),
        png(icc_profile=b"profile"),
        png(transparency=(0, 0, 0)),
        png(PIXELS[:5]),
        png()[:-12],
        png()[:-1],
        png()[:33] + chunk(b"gAMA", (10000).to_bytes(4, "big")) + png()[33:],
        png()[:60] + bytes([png()[60] ^ 1]) + png()[61:],
    ],
    ids=[
        "none",
        "head",
        "grey",
        "alpha",
        "turned",
        "profile",
        "clear",
        "small",
        "endless",
        "cut",
        "gamma",
        "bit",
    ],
)
def test_what_is_not_plain_or_not_whole_is_left_to_the_other_decoder(data: bytes) -> None:
    assert decode_plain_png(data) is None


def test_rows_are_read_alike_whatever_their_file(tmp_path: Path) -> None:
    contents = {"plain": png(), "turned": png(exif=orientation()), "damaged": png()[:-60]}
    for name, content in contents.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    rows = {name: Sample(path=str(tmp_path / f"{name}.png"), label=0, split="train") for name in contents}
    assert np.array_equal(read_sample(rows["plain"])[0], PIXELS)
    assert np.array_equal(read_sample(rows["turned"])[0], np.rot90(PIXELS, -1))
    with pytest.raises(ImageError, match=r"damaged\.png"):
        read_sample(rows["damaged"])
