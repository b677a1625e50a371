from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.augment.any_camera import CODECS, _coded, degrade, turned
from facetrust.imaging import Pixels


def face(seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 40, (64, 64, 3))
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 2) * 4 + (170, 120, 90), 0, 255).astype(np.uint8)


def drawn(count: int = 300, crop: Pixels | None = None) -> list[Pixels]:
    crop = face() if crop is None else crop
    return [degrade(crop, np.random.default_rng(number)) for number in range(count)]


def test_size_stays_and_the_seed_decides() -> None:
    one, two, other = (degrade(face(), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_no_strength_changes_nothing() -> None:
    for number in range(20):
        made = degrade(face(), np.random.default_rng(number), strength=0)
        assert np.array_equal(made, face())


def test_every_seventh_is_grey() -> None:
    grey = [np.ptp(made.astype(int), axis=2).mean() < 2 for made in drawn(600)]
    # JPEG and noise by channel colour some of the 15 % again.
    assert 0.05 < np.mean(grey) < 0.2


def test_tint_no_longer_tells_what_it_told() -> None:
    """A red and a blue picture become as good as one: the tint's separation falls from 1 to near a half."""
    red, blue = face(), np.ascontiguousarray(face()[:, :, ::-1])

    def tints(crop: Pixels) -> list[float]:
        return [
            float(np.log((made[:, :, 0].mean() + 1) / (made[:, :, 2].mean() + 1)))
            for made in drawn(crop=crop)
        ]

    first, second = np.array(tints(red)), np.array(tints(blue))
    separation = (first[:, None] > second[None]).mean()
    assert 0.5 < separation < 0.85
    assert np.log(red[:, :, 0].mean() / red[:, :, 2].mean()) > 0.5


def test_brightness_covers_a_range_of_five_but_never_leaves_the_picture_dark_or_white() -> None:
    levels = np.array([made.mean() for made in drawn(600)])
    assert np.quantile(levels, 0.95) / np.quantile(levels, 0.05) > 3
    assert levels.min() > 5
    assert levels.max() < 245


def test_some_are_softer_and_some_sharper() -> None:
    detail = np.array([cv2.Laplacian(made, cv2.CV_64F).var() / max(made.var(), 1) for made in drawn()])
    plain = cv2.Laplacian(face(), cv2.CV_64F).var() / face().var()
    assert (detail < 0.7 * plain).mean() > 0.05
    assert (detail > 1.3 * plain).mean() > 0.1


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_loses_something_but_not_the_picture(codec: str) -> None:
    if codec == "h264":
        pytest.importorskip("av")
    for seed in range(4):
        made = _coded(face(), np.random.default_rng(seed), 1.0, (codec,)).astype(int)
        assert made.shape == face().shape
        assert 0.3 < np.abs(made - face()).mean() < 25
        again = _coded(face(), np.random.default_rng(seed), 1.0, (codec,))
        assert np.array_equal(again, made)


def test_codecs_are_drawn_evenly_and_one_alone_draws_nothing() -> None:
    """The same file as OpenCV writes at the quality that is drawn next, if nothing was drawn before it."""
    quality = int(np.random.default_rng(3).integers(15, 96))
    _, data = cv2.imencode(".jpg", face(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    alone = _coded(face(), np.random.default_rng(3), 1.0, ("jpeg",))
    assert np.array_equal(alone, cv2.imdecode(data, cv2.IMREAD_COLOR))
    both = [_coded(face(), np.random.default_rng(s), 1.0, ("jpeg", "webp")) for s in range(60)]
    jpegs = {
        cv2.imdecode(
            cv2.imencode(".jpg", face(), [cv2.IMWRITE_JPEG_QUALITY, q])[1], cv2.IMREAD_COLOR
        ).tobytes()
        for q in range(20, 96)
    }
    assert 18 < sum(each.tobytes() in jpegs for each in both) < 42


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarters_are_turned_counterclockwise(quarters: int) -> None:
    crop = np.dstack([face(), face()[:, :, :1]])
    made = turned(crop, quarters)
    assert made.flags["C_CONTIGUOUS"]
    for _ in range(quarters):  # the slow way: what was at (y, x) comes to (side - 1 - x, y)
        rotated = np.empty_like(crop)
        for y in range(64):
            rotated[63 - np.arange(64), y] = crop[y]
        crop = rotated
    assert np.array_equal(made, crop)
