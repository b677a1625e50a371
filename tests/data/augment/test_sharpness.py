from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.augment.sharpness import blur_to, blurred_to, equally_sharp, sharpness
from facetrust.imaging import Pixels


def textured(seed: int = 0, sigma: float = 1.0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 60 * max(1, sigma), (96, 96, 3))
    noise = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.clip(120 + noise, 30, 220).astype(np.uint8)


def slow(crop: Pixels) -> float:
    means = crop.reshape(-1, 3).mean(axis=0)
    grey = sum(crop[:, :, c].astype(float) / means[c] for c in range(3)) * means.mean() / 3
    framed = np.pad(grey, 1, mode="reflect")
    laplacian = (
        framed[:-2, 1:-1] + framed[2:, 1:-1] + framed[1:-1, :-2] + framed[1:-1, 2:] - 4 * framed[1:-1, 1:-1]
    )
    return float(laplacian.var() / grey.var())


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_it_is_the_laplacian_over_the_contrast(sigma: float) -> None:
    crop = textured(sigma=sigma)
    assert sharpness(crop) == pytest.approx(slow(crop), rel=1e-3)


def test_light_contrast_and_tint_do_not_change_it() -> None:
    crop = np.clip(textured(sigma=1), 40, 200)
    darker = np.rint(crop * 0.5).astype(np.uint8)
    tinted = np.rint(crop * (1.1, 1.0, 0.6)).astype(np.uint8)
    for other in (darker, tinted):
        assert sharpness(other) == pytest.approx(sharpness(crop), rel=0.1)


def test_a_flat_crop_has_none() -> None:
    assert sharpness(np.full((20, 20, 3), 77, np.uint8)) == 0
    assert sharpness(np.zeros((20, 20, 3), np.uint8)) == 0


def test_the_least_blur_that_reaches_the_level_is_found() -> None:
    crop = textured()
    level = sharpness(np.asarray(cv2.GaussianBlur(crop, (0, 0), 1.3), np.uint8))
    assert blur_to(crop, level) == pytest.approx(1.3, rel=0.03)
    made = blurred_to(crop, level)
    assert sharpness(made) <= level
    assert sharpness(made) == pytest.approx(level, rel=0.08)


def test_what_is_no_sharper_stays_as_it_is() -> None:
    crop = textured()
    assert blurred_to(crop, sharpness(crop)) is crop
    assert blur_to(crop, 1e9) == 0


def test_there_is_a_most() -> None:
    assert blur_to(textured(), 0.0, most=2.5) == 2.5


def test_of_two_pictures_the_one_with_the_sharper_face_is_blurred() -> None:
    sharp, box = textured(sigma=0.7), (20.0, 20.0, 50.0, 60.0)
    soft = cv2.GaussianBlur(sharp, (0, 0), 1.2)
    other = sharp.copy()
    other[:20] = 0  # around the face it may be as it will

    def level(image: Pixels) -> float:
        return sharpness(np.ascontiguousarray(image[20:80, 20:70]))

    for pair in ((other, soft), (soft, other)):
        made = equally_sharp(*pair, box)
        assert made[0 if pair[0] is soft else 1] is soft
        assert level(made[0]) == pytest.approx(level(made[1]), rel=0.1)
    same = equally_sharp(sharp, sharp, box)
    assert same[0] is sharp
    assert same[1] is sharp
