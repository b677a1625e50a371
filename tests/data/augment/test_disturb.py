from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facetrust.data.augment.disturb import KINDS, Disturbed, check_kinds, disturb
from facetrust.errors import MissingExtra, UnknownName, UsageError
from facetrust.imaging import Pixels
from facetrust.records import Sample


def textured(height: int = 96, width: int = 112) -> Pixels:
    """A picture with detail at every scale: noise, smoothed by ever wider windows, added up."""
    numbers = np.random.default_rng(3)
    layers = [cv2.GaussianBlur(numbers.normal(0, 1, (height, width, 3)), (0, 0), s) * s for s in (0.6, 2, 6)]
    return np.clip(128 + 55 * np.sum(layers, axis=0), 0, 255).astype(np.uint8)


def psnr(a: Pixels, b: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def worse(image: Pixels, kind: str, strength: float | None, seed: int = 0) -> Pixels:
    return disturb(image, kind, strength=strength, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_no_strength_leaves_the_picture_alone(kind: str) -> None:
    image = textured()
    assert np.array_equal(worse(image, kind, None), textured())


@pytest.mark.parametrize("kind", KINDS)
def test_the_stronger_the_farther_from_the_picture(kind: str) -> None:
    image = textured()
    found = [psnr(worse(image, kind, strength), image) for strength in KINDS[kind].strengths]
    assert np.all(np.diff(found) < 0)
    assert np.array_equal(image, textured())  # The picture handed in is not written to.


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_kind_of_numbers_stay_even_where_sides_are_odd(kind: str) -> None:
    for height, width in ((37, 51), (8, 9), (64, 33)):
        made = worse(textured(height, width), kind, KINDS[kind].strengths[1])
        assert (made.shape, made.dtype) == ((height, width, 3), np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_pixels(kind: str) -> None:
    image, strength = textured(), KINDS[kind].strengths[-1]
    assert np.array_equal(worse(image, kind, strength, 1), worse(image, kind, strength, 1))
    # Only noise is drawn at all.
    assert np.array_equal(worse(image, kind, strength, 1), worse(image, kind, strength, 2)) == (
        kind != "noise"
    )


@pytest.mark.parametrize("sigma", KINDS["noise"].strengths)
def test_noise_has_its_sigma_and_no_mean(sigma: float) -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    added = worse(grey, "noise", sigma).astype(float) - 128
    assert added.std() == pytest.approx(sigma, rel=0.02)
    assert abs(added.mean()) < 4 * sigma / np.sqrt(added.size)
    assert abs(np.corrcoef(added[:, :, 0].ravel(), added[:, :, 1].ravel())[0, 1]) < 0.02


def test_jpeg_is_that_of_opencv() -> None:
    image = textured()
    blue_first = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    for quality in (90, 30):
        data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        expected = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.array_equal(worse(image, "jpeg", quality), expected)


def test_a_flat_picture_loses_nothing_to_what_removes_detail() -> None:
    flat = np.full((40, 48, 3), (200, 90, 60), np.uint8)
    for kind in ("resize", "blur"):
        assert np.array_equal(worse(flat, kind, KINDS[kind].strengths[-1]), flat)
    # Through the colours of a video a level or two is rounded away, no more; a swap of channels would be.
    assert np.abs(worse(flat, "h264", 23).astype(int) - flat).max() <= 3


def test_a_wave_is_damped_as_a_gaussian_damps_it() -> None:
    across = np.arange(256)
    wave = np.rint(128 + 100 * np.sin(2 * np.pi * across / 16))
    image = np.repeat(np.tile(wave, (32, 1))[:, :, None], 3, axis=2).astype(np.uint8)
    middle = worse(image, "blur", 2)[16, 64:192, 0].astype(float)
    assert np.ptp(middle) / 200 == pytest.approx(np.exp(-2 * (np.pi * 2 / 16) ** 2), abs=0.02)


def test_half_the_size_keeps_the_mean_of_four_pixels() -> None:
    checks = np.indices((32, 32)).sum(axis=0) % 2 * 200
    image = np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)
    assert np.all(worse(image, "resize", 0.5) == 100)


def test_what_a_reader_draws_depends_on_the_name_below_the_root(tmp_path: Path) -> None:
    for folder, name in (("a", "x.png"), ("a", "y.png"), ("b", "x.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / folder / name), np.full((40, 40, 3), 128, np.uint8))

    def read(folder: str, name: str, strength: float = 10, seed: int = 0) -> Any:
        root = tmp_path / folder
        sample = Sample(path=str(root / name), label=0, split="test")
        image, shown = Disturbed("noise", strength, root, seed)(sample)
        assert shown is sample
        return image.astype(int) - 128

    first = read("a", "x.png")
    assert np.array_equal(first, read("b", "x.png"))
    assert not np.array_equal(first, read("a", "y.png"))
    assert not np.array_equal(first, read("a", "x.png", seed=1))
    assert np.abs(read("a", "x.png", 20) - 2 * first).max() <= 2  # Rounded, so not exactly the double.


@pytest.mark.parametrize(
    ("kind", "strength", "error", "message"),
    [
        ("blurr", 1, UnknownName, "did you mean 'blur'"),
        ("jpeg", 101, UsageError, "jpeg 101: use 1 to 100"),
        ("resize", 0, UsageError, "resize 0: use 0.01 to 1"),
        ("noise", float("nan"), UsageError, "noise nan"),
    ],
)
def test_wrong_strengths(kind: str, strength: float, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        worse(textured(), kind, strength)


def test_without_pyav_only_h264_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    check_kinds(kind for kind in KINDS if kind != "h264")
    for call in (lambda: check_kinds(KINDS), lambda: worse(textured(), "h264", 23)):
        with pytest.raises(MissingExtra, match=r"av is not installed; run: pip install 'facetrust\[train\]'"):
            call()
