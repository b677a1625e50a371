"""Files become pixels, boxes become crops, crops become tensors."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from facetrust.errors import ImageError
from facetrust.imaging import (
    crop_face,
    cut_out,
    decode_image,
    fit_within,
    pixels,
    quarter_turn,
    read_image,
    to_tensor,
)
from facetrust.imaging.crop import DARK, FLAT
from facetrust.records import Preprocessing

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
COUNTING = np.arange(10 * 12, dtype=np.uint8).reshape(10, 12)[:, :, None].repeat(3, 2)


def encoded(picture: Image.Image, kind: str = "PNG", **how) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def test_a_lossless_file_comes_back_bit_for_bit(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(PHOTO)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PHOTO)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "RGBA", "I;16", "F", "YCbCr"])
def test_every_mode_becomes_8_bit_rgb(mode):
    value = 255 if mode == "1" else 200  # Two tones hold only black and white.
    grey = Image.fromarray(np.full((16, 20), value, np.uint8))
    if mode == "I;16":
        data = encoded(Image.fromarray(np.full((16, 20), value * 257, np.uint16)))
    else:
        kind = {"CMYK": "TIFF", "F": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG")
        data = encoded((grey.convert("RGBA") if mode == "LA" else grey).convert(mode), kind)
    image = decode_image(data, "x")
    assert image.shape == (16, 20, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - value).max() <= 1


def test_transparency_is_laid_on_white():
    clear = np.zeros((12, 12, 4), np.uint8)
    assert decode_image(encoded(Image.fromarray(clear)), "x").min() == 255


@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_turns_the_picture_upright(tag):
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:10, :15] = 255  # Bright top left.
    turn = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a, 3),
    }[tag]  # fmt: skip
    stored = Image.fromarray(np.ascontiguousarray(turn(upright)))
    exif = Image.Exif()
    exif[0x0112] = tag
    np.testing.assert_array_equal(decode_image(encoded(stored, exif=exif), "x"), upright)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "x: is empty"),
        (b"no picture", "x: is not an image"),
        (encoded(Image.fromarray(PHOTO), "JPEG")[:400], "x: is damaged"),
        (encoded(Image.fromarray(PHOTO))[:900], "x: is damaged"),
        (png_header(20_000, 20_000), "x: has too many pixels; the limit is"),
        (png_header(1, 1), "x: 1x1 pixels; at least 8"),
        (png_header(0, 5), "x: is"),
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "huge", "one pixel", "no width"],
)
def test_what_cannot_be_decoded_is_an_error(data, said):
    with pytest.raises(ImageError) as caught:
        decode_image(data, "x")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_huge_picture_is_refused_before_its_pixels_are_made(tmp_path):
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ImageError, match="the limit is"):
        decode_image(png_header(20_000, 20_000), "x")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_files_that_cannot_be_read_are_errors(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a directory"):
        read_image(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(PHOTO)))
    monkeypatch.setattr(pixels, "MAX_BYTES", 10)
    with pytest.raises(ImageError, match="bytes; the limit is 10"):
        read_image(tmp_path / "a.png")


def pixel_by_pixel(image, centre, size, fill):
    """The slow way: every pixel of the window is looked up on its own."""
    height, width = image.shape[:2]
    left, top = round(centre[0] - size[1] / 2), round(centre[1] - size[0] / 2)
    out = np.zeros((round(size[0]), round(size[1]), 3), np.uint8)

    def mirrored(i: int, n: int) -> int:
        i %= 2 * (n - 1)
        return i if i < n else 2 * (n - 1) - i

    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            y, x = top + r, left + c
            if fill == "edge":
                out[r, c] = image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
            elif fill == "reflect":
                out[r, c] = image[mirrored(y, height), mirrored(x, width)]
            elif 0 <= y < height and 0 <= x < width:
                out[r, c] = image[y, x]
    return out


@pytest.mark.parametrize("fill", ["zero", "edge", "reflect"])
@pytest.mark.parametrize("centre", [(6, 5), (0, 0), (12, 10), (2, 9)])
@pytest.mark.parametrize("size", [(4, 4), (8, 6), (14, 18)])
def test_cut_out_agrees_with_the_slow_way(fill, centre, size):
    got = cut_out(COUNTING, centre, size, fill=fill)
    np.testing.assert_array_equal(got, pixel_by_pixel(COUNTING, centre, size, fill))


@pytest.mark.parametrize("centre", [(0, 0), (12, 10), (-30, 50), (6, 5)])
@pytest.mark.parametrize("size", [(4, 4), (9, 3), (30, 30), (10, 12), (7.5, 5.5)])
def test_shifting_invents_no_pixel_and_keeps_the_shape(centre, size):
    got = cut_out(COUNTING, centre, size, fill="shift")
    rows = [tuple(row) for row in COUNTING[:, :, 0]]
    ratio = min(1.0, 10 / size[0], 12 / size[1])
    assert abs(got.shape[0] - size[0] * ratio) <= 1
    assert abs(got.shape[1] - size[1] * ratio) <= 1
    first = tuple(got[0, :, 0])
    assert any(first == row[i : i + len(first)] for row in rows for i in range(len(row)))


def test_a_crop_is_square_around_the_face_and_of_the_cards_size():
    image = np.zeros((100, 100, 3), np.uint8)
    image[30:70, 40:60] = 255  # A face 20 wide and 40 high.
    how = Preprocessing(margins=(1.0, 2.0), size=(40, 40))
    crop = crop_face(image, (40, 30, 20, 40), how)
    assert crop.shape == (40, 40, 3)
    assert crop[:, 10:30].min() == 255
    assert crop[:, :9].max() == 0
    wide = crop_face(image, (40, 30, 20, 40), how, margin=2.0)
    assert (wide > 127).mean() == pytest.approx(20 * 40 / 80**2, abs=0.02)
    narrow = crop_face(image, (40, 30, 20, 40), how.model_copy(update={"square": False}))
    assert narrow.min() == 255


def test_to_tensor_is_the_formula():
    crop = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    how = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))
    got = to_tensor(crop, how)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    for c in range(3):
        np.testing.assert_allclose(got[c], (crop[:, :, c] / 255 - how.mean[c]) / how.std[c], atol=1e-5)
    bgr = to_tensor(crop, Preprocessing(color="BGR", top=255))
    np.testing.assert_allclose(bgr, crop[:, :, ::-1].transpose(2, 0, 1))


LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1) ^ np.array([0, 85, 170], np.uint8)


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_to_tensor_is_the_formula_to_the_bit(color):
    """In float32, one operation after the other; a part of a picture is what it is alone."""
    how = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), color=color)
    for crop in (LEVELS, LEVELS[3:14, 2:15]):
        pixels = crop[:, :, ::-1] if color == "BGR" else crop
        scaled = pixels.astype(np.float32) * np.float32(1 / 255)
        wanted = (scaled - np.float32(how.mean)) / np.float32(how.std)
        assert np.array_equal(to_tensor(crop, how), wanted.transpose(2, 0, 1))


@pytest.mark.parametrize("color", ["RGB", "BGR"])
@pytest.mark.parametrize(("grey_world", "standardize"), [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("crop", [LEVELS, LEVELS[3:14, 2:15], LEVELS // 64, np.zeros_like(LEVELS)])
def test_what_depends_on_the_whole_crop_is_its_formula_pixel_by_pixel(color, grey_world, standardize, crop):
    how = Preprocessing(
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), color=color,
        grey_world=grey_world, standardize=standardize,
    )  # fmt: skip
    values = (crop[:, :, ::-1] if color == "BGR" else crop).astype(np.float64) / 255
    if grey_world:
        channels = np.maximum(values.mean((0, 1)), DARK)
        values = values * channels.mean() / channels
    wanted = (values - how.mean) / how.std
    if standardize:
        wanted = (wanted - wanted.mean()) / max(wanted.std(), FLAT)
    np.testing.assert_allclose(to_tensor(crop, how), wanted.transpose(2, 0, 1), atol=2e-6)


def test_quarter_turns_go_counter_clockwise_and_fit_within_only_shrinks():
    assert quarter_turn(PHOTO, 1).shape == (32, 24, 3)
    np.testing.assert_array_equal(quarter_turn(PHOTO, 1)[-1, 0], PHOTO[0, 0])
    np.testing.assert_array_equal(quarter_turn(PHOTO, 4), PHOTO)
    small, factor = fit_within(PHOTO, 16)
    assert small.shape == (12, 16, 3)
    assert factor == 0.5
    same, factor = fit_within(PHOTO, 64)
    assert same is PHOTO
    assert factor == 1.0


def grey16(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_more_bits_is_scaled_by_its_own_range(bits):
    """A ramp that reaches the sensor's white: it comes out from black to white, however many bits it has."""
    ramp = np.linspace(0, 2**bits - 1, 64 * 64).reshape(64, 64).round()
    shown = decode_image(grey16(ramp), "x")
    assert (shown.min(), shown.max()) == (0, 255)
    assert np.abs(shown[:, :, 0] - ramp * 255 / (2**bits - 1)).max() <= 0.51


def float_tiff(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.float32)).save(file, "TIFF")
    return file.getvalue()


def test_a_float_picture_in_0_to_1_is_not_black_and_one_of_no_range_is_refused():
    shown = decode_image(float_tiff(np.linspace(0, 0.99, 400).reshape(20, 20)), "x")
    assert shown.max() == 252
    for wrong in (-1.0, 1e9, np.nan):
        with pytest.raises(ImageError, match="outside 0 to 65535"):
            decode_image(float_tiff(np.full((20, 20), wrong)), "x")


def jpeg(**settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "JPEG", quality=90, **settings)
    return file.getvalue()


def test_a_jpeg_without_its_end_mark_is_decoded_and_one_cut_earlier_is_not(caplog):
    data = jpeg()
    assert np.array_equal(decode_image(data[:-2], "x"), decode_image(data, "x"))
    assert "lacks its end mark" in caplog.text
    for cut in (len(data) // 2, 3 * len(data) // 4):
        with pytest.raises(ImageError, match="is damaged"):
            decode_image(data[:cut], "x")


def test_a_colour_profile_is_converted_to_srgb():
    """Red of a wider gamut than sRGB's, here with red and green exchanged, is another red in sRGB."""
    from PIL import ImageCms

    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = decode_image(jpeg(icc_profile=lab), "x")
    assert np.array_equal(same, decode_image(jpeg(), "x"))
    assert np.array_equal(decode_image(jpeg(icc_profile=b"nonsense"), "x"), same)


@pytest.mark.parametrize("kind", ["EPS", "PCX", "SGI"])
def test_formats_that_no_camera_writes_are_not_opened(kind):
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, kind)
    with pytest.raises(ImageError, match="not an image of a known format"):
        decode_image(file.getvalue(), "loop.jpg")
