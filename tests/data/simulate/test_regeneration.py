from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.simulate import regeneration as module
from facetrust.data.simulate.regeneration import regeneration

BOX = (50.0, 40.0, 80.0, 104.0)


@pytest.fixture
def face() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 60, (190, 181, 3))
    return np.clip(128 + cv2.GaussianBlur(noise, (0, 0), 1.0) * 2, 0, 255).astype(np.uint8)


def test_outside_the_mask_nothing_changes_and_the_real_is_the_picture(face) -> None:
    for seed in range(9):
        made = regeneration(face, BOX, np.random.default_rng(seed))
        assert made.real is face
        assert np.array_equal(made.fake[made.mask == 0], face[made.mask == 0])
        inside = made.mask > 0.2
        assert 0.5 < np.abs(made.fake.astype(int) - face)[inside].mean() < 25
        assert np.corrcoef(made.fake[inside].ravel(), face[inside].ravel())[0, 1] > 0.7


def test_a_seed_repeats_it_and_a_box_beside_the_picture_changes_nothing(face) -> None:
    first, again, other = (regeneration(face, BOX, np.random.default_rng(s)).fake for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    aside = regeneration(face, (500.0, 500.0, 40.0, 50.0), np.random.default_rng(0))
    assert np.array_equal(aside.fake, face)


@pytest.mark.parametrize("way", module.WAYS)
def test_every_way_keeps_an_even_picture_or_leaves_a_pattern(way) -> None:
    """What is flat loses nothing to filters and cosines; a transposed convolution's gain repeats every other
    pixel, as its stride is 2."""
    flat = np.full((70, 61, 3), 96.0, np.float32)
    made = way(flat, 60.0, np.random.default_rng(5))
    assert made.shape == flat.shape
    middle = made[8:-8, 8:-8]
    if way is module._transposed:
        assert middle.std() > 0.5
        assert middle[2:] == pytest.approx(middle[:-2], abs=1e-3)
        assert middle[:, 2:] == pytest.approx(middle[:, :-2], abs=1e-3)
        assert middle.mean() == pytest.approx(96, rel=0.03)
    else:
        assert middle == pytest.approx(96, abs=9)  # half a step of the coarsest cosines, at most
        assert middle.std() < 1e-3


def test_resampling_takes_the_finest_detail(face) -> None:
    values = face.astype(np.float32)
    losses = []
    for seed in range(12):
        made = module._resampled(values, 80.0, np.random.default_rng(seed))
        losses.append(cv2.Laplacian(made, cv2.CV_32F).std() / cv2.Laplacian(values, cv2.CV_32F).std())
    assert np.median(losses) < 0.95
    assert min(losses) < 0.6


def test_a_face_keeps_48_pixels() -> None:
    noise = np.random.default_rng(0).normal(128, 30, (48, 40, 3)).astype(np.float32)
    sharpened = [module._resampled(noise, 40.0, np.random.default_rng(seed)) for seed in range(10)]
    assert min(np.abs(each - noise).max() for each in sharpened) < 1e-3


def test_cosines_that_are_all_kept_in_fine_steps_give_the_picture_back(face, monkeypatch) -> None:
    class Fine:
        def choice(self, options):
            return options[0]

        def uniform(self, low, high):
            return 2.0 if (low, high) == (0.3, 0.7) else 1e-3

    values = face.astype(np.float32)
    assert module._quantised(values, 80.0, Fine()) == pytest.approx(values, abs=0.01)
