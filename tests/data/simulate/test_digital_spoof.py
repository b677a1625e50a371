from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.simulate.digital_spoof import _change, as_surroundings, digital_spoof

BOX = (60.0, 50.0, 80.0, 104.0)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(190, 200, 3)).astype(np.float32)
    return np.clip(130 + 250 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 255).astype(np.uint8)


def spoofs(face: np.ndarray, *, major: float, count: int = 240) -> list:
    return [digital_spoof(face, BOX, np.random.default_rng(seed), major=major) for seed in range(count)]


def test_outside_the_mask_fake_and_real_are_equal(face: np.ndarray) -> None:
    for major in (0.0, 1.0):
        for found in spoofs(face, major=major, count=30):
            assert np.array_equal(found.fake[found.mask == 0], found.real[found.mask == 0])


def test_major_traces_are_stronger_than_minor_ones(face: np.ndarray) -> None:
    x, y, w, h = map(int, BOX)
    inner = np.s_[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    minor, major = (
        np.mean([np.abs(s.fake[inner].astype(int) - s.real[inner]).mean() for s in spoofs(face, major=m)])
        for m in (0.0, 1.0)
    )
    assert 2 < minor < major < 40


def test_what_is_changed_is_as_coarse_and_as_sharp_as_stated() -> None:
    for strong, coarsest, alphas in ((False, 0.35, (0.1, 0.3)), (True, 0.25, (0.2, 0.5))):
        drawn = [_change(np.random.default_rng(seed), strong=strong) for seed in range(600)]
        scales = [1 / each.shrink for each in drawn if each.shrink != 1]
        alpha = [each.sharpen[0] for each in drawn if each.sharpen]
        assert coarsest < min(scales) < coarsest + 0.02
        assert 0.63 < max(scales) < 0.65
        assert alphas[0] < min(alpha) < max(alpha) < alphas[1] < max(alpha) + 0.02
        assert all(each.blocky for each in drawn)


def test_the_mask_is_as_strong_as_stated_and_covers_the_face(face: np.ndarray) -> None:
    for major, ratios in ((0.0, [0.25, 0.5, 0.75, 1.0]), (1.0, [0.75, 1.0])):
        masks = [found.mask for found in spoofs(face, major=major)]
        tops = np.round([mask.max() for mask in masks], 3)
        assert sorted(set(tops)) == pytest.approx(ratios, abs=0.002)
        # Half for the minor ones, three quarters for the major ones, four standard errors about.
        assert np.mean(tops > 0.99) == pytest.approx(0.5 + 0.25 * major, abs=0.13)
        x, y, w, h = map(int, BOX)
        shares = [(mask > 0.5 * mask.max())[y : y + h, x : x + w].mean() for mask in masks]
        assert np.mean(shares) == pytest.approx(0.68, abs=0.04)  # of the box; the outline alone is .69
        assert all(mask[:5].max() == mask[:, :5].max() == mask[:, -5:].max() == 0 for mask in masks)


def test_the_target_is_changed_in_half_of_the_cases_that_change_anything(face: np.ndarray) -> None:
    """All of the four changes fail to be drawn with chance .5 * .5 * .6 * .5 = .075 (minor ones)."""
    wanted = 0.5 * (1 - 0.075)
    real = [not np.array_equal(found.real, face) for found in spoofs(face, major=0.0)]
    around = [
        not np.array_equal(as_surroundings(face, np.random.default_rng(seed), major=0.0), face)
        for seed in range(240)
    ]
    assert np.mean(real) == pytest.approx(wanted, abs=0.13)
    assert np.mean(around) == pytest.approx(wanted, abs=0.13)


def test_a_seed_repeats_it_and_another_does_not(face: np.ndarray) -> None:
    first, again, other = (digital_spoof(face, BOX, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.mask, other.mask)


def test_a_region_takes_the_place_of_the_outline(face: np.ndarray) -> None:
    region = np.zeros(face.shape[:2], bool)
    region[80:120, 70:130] = True
    mask = digital_spoof(face, BOX, np.random.default_rng(0), region=region).mask
    assert mask[95:105, 90:110].min() == mask.max() > 0
    assert mask[:60].max() == mask[145:].max() == 0


@pytest.mark.parametrize(
    ("size", "box"), [((1, 1), (0, 0, 1, 1)), ((9, 31), (3, -4, 7, 11)), ((9, 9), (90, 90, 5, 5))]
)
def test_any_size_and_place_works(size: tuple[int, int], box: tuple[float, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    for seed in range(20):
        found = digital_spoof(image, box, np.random.default_rng(seed))
        assert found.fake.shape == found.real.shape == image.shape
        assert 0 <= found.mask.min() <= found.mask.max() <= 1
