from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.imaging import crop_face, read_sample, to_tensor
from facetrust.records import Preprocessing, Sample

SMALL, LARGE = (22, 22), (175, 175)
BOX = (0.0, 0.0, 60.0, 60.0)


@pytest.mark.parametrize(
    ("resize", "size", "method"),
    [
        ("area", SMALL, cv2.INTER_AREA),
        ("area", LARGE, cv2.INTER_LINEAR),
        ("cubic", SMALL, cv2.INTER_AREA),
        ("cubic", LARGE, cv2.INTER_CUBIC),
        ("linear", SMALL, cv2.INTER_LINEAR),
        ("linear", LARGE, cv2.INTER_LINEAR),
        ("nearest", SMALL, cv2.INTER_NEAREST),
        ("nearest", LARGE, cv2.INTER_NEAREST),
    ],
)
def test_a_crop_is_shrunk_and_enlarged_as_the_card_says(resize, size, method):
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    found = crop_face(image, BOX, Preprocessing(margins=(1.0,), size=size, resize=resize))
    others = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
    pictures = {each: cv2.resize(image, size, interpolation=each) for each in others}
    assert np.array_equal(found, pictures[method])
    assert len({each.tobytes() for each in pictures.values()}) == 4  # the test can tell them apart


def test_a_standardised_crop_has_mean_0_and_deviation_1_of_its_own_over_all_channels():
    crop = np.random.default_rng(0).integers(20, 120, (16, 16, 3), dtype=np.uint8)
    how = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), standardize=True)
    values = to_tensor(crop, how)
    pixels = crop.astype(np.float64).transpose(2, 0, 1)
    assert values.dtype == np.float32
    assert np.allclose(values, (pixels - pixels.mean()) / pixels.std(), atol=1e-5)
    brighter = to_tensor((crop * 2).astype(np.uint8), how)
    assert np.allclose(brighter, values, atol=1e-5)


def test_grey_world_makes_the_channels_means_equal_and_forgets_the_colour_of_the_light():
    crop = np.random.default_rng(0).integers(20, 100, (16, 16, 3), dtype=np.uint8)
    how = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.2), grey_world=True)
    pixels = crop.astype(np.float64) / 255
    means = pixels.mean((0, 1))
    wanted = (pixels * (means.mean() / means) - how.mean) / how.std
    assert np.allclose(to_tensor(crop, how), wanted.transpose(2, 0, 1), atol=1e-5)
    blue = crop * np.array([1, 1, 2], np.uint8)
    standardized = how.model_copy(update={"standardize": True, "mean": (0.5,) * 3, "std": (0.25,) * 3})
    assert np.allclose(to_tensor(blue, standardized), to_tensor(crop, standardized), atol=1e-4)


def test_a_channel_that_is_black_is_not_blown_up():
    crop = np.full((8, 8, 3), (90, 60, 1), np.uint8)
    values = to_tensor(crop, Preprocessing(grey_world=True))
    means = np.array([90, 60, 0.02 * 255]) / 255
    assert np.allclose(values[:, 0, 0], np.array([90, 60, 1]) / 255 * means.mean() / means, atol=1e-5)


def test_a_flat_crop_is_not_blown_up():
    values = to_tensor(np.full((8, 8, 3), 77, np.uint8), Preprocessing(standardize=True))
    assert np.abs(values).max() < 1e-3


def test_a_row_is_read_with_itself(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), np.full((9, 11, 3), 50, np.uint8))
    sample = Sample(path=str(tmp_path / "x.png"), label=0, split="test")
    image, shown = read_sample(sample)
    assert image.shape == (9, 11, 3)
    assert shown is sample
