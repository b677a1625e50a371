"""Whole pictures made anew."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.simulate import manipulate, simulate
from facetrust.data.simulate.reconstruction import reconstruction


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 60, (190, 181, 3))
    return np.clip(128 + cv2.GaussianBlur(noise, (0, 0), 1.0) * 2, 0, 255).astype(np.uint8)


def test_all_of_the_picture_changes_and_what_it_shows_stays(picture) -> None:
    for seed in range(9):
        made = reconstruction(picture, np.random.default_rng(seed))
        assert made.real is picture
        assert made.mask.shape == picture.shape[:2]
        assert (made.mask == 1).all()
        change = np.abs(made.fake.astype(int) - picture)
        for part in (change[:40, :40], change[-40:, -40:], change[70:110, 70:110]):
            assert 0.3 < part.mean() < 30
        coarse = [cv2.GaussianBlur(each, (0, 0), 4).ravel() for each in (made.fake, picture)]
        assert np.corrcoef(coarse)[0, 1] > 0.85


def test_a_seed_repeats_it(picture) -> None:
    first, again, other = (reconstruction(picture, np.random.default_rng(s)).fake for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_is_known_by_its_name_and_needs_no_face(picture) -> None:
    whole = (0.0, 0.0, 181.0, 190.0)
    made = manipulate(picture, whole, species="reconstruction", rng=np.random.default_rng(2))
    assert np.array_equal(made.fake, reconstruction(picture, np.random.default_rng(2)).fake)
    named = simulate(picture, whole, species="reconstruction", rng=np.random.default_rng(2))
    assert np.array_equal(named, made.fake)
