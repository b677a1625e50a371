"""Cuts are told from movement, light and noise by planted frames."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.faces.appearance import appearances, is_another, resemblance, scene_changes
from facetrust.faces.tracks import Detection, join
from facetrust.records import Face

BOX = (60.0, 40.0, 48.0, 48.0)
HIGH, WIDE = 120, 160


def scene(seed: int) -> np.ndarray:
    """Coarse patches of random colours."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.kron(patches, np.ones((20, 20, 1), np.uint8))


def with_face(image: np.ndarray, seed: int, *, at=(60, 40)) -> np.ndarray:
    """A face-like patch of smooth grey, the same for the same seed."""
    coarse = np.random.default_rng(seed).integers(40, 216, (4, 4), dtype=np.uint8)
    image = image.copy()
    image[at[1] : at[1] + 48, at[0] : at[0] + 48] = np.kron(coarse, np.ones((12, 12), np.uint8))[..., None]
    return image


def look(image, box=BOX):
    (found,) = appearances(image, [box])
    return found


HERE = look(with_face(scene(0), 1))


def test_nothing_changes():
    assert resemblance(HERE, HERE) == pytest.approx(1)
    assert not is_another(HERE, HERE)


def test_another_scene_with_the_same_face():
    there = look(with_face(scene(5), 1))
    assert resemblance(HERE, there) == pytest.approx(1, abs=0.02)
    assert scene_changes(HERE, there)
    assert is_another(HERE, there)


def test_another_face_in_the_same_scene():
    there = look(with_face(scene(0), 2))
    assert not scene_changes(HERE, there)
    assert resemblance(HERE, there) < 0.3
    assert is_another(HERE, there)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: np.clip(image.astype(int) + 12, 0, 255).astype(np.uint8),  # Light.
        lambda image: np.clip(image * 0.8, 0, 255).astype(np.uint8),
        lambda image: np.roll(image, 6, axis=1),  # A pan, that takes the face along.
        lambda image: np.clip(image + np.random.default_rng(9).normal(0, 12, image.shape), 0, 255).astype(
            np.uint8
        ),
    ],
    ids=["brighter", "darker", "pan", "noise"],
)
def test_light_pans_and_noise_are_no_cuts(change):
    assert not is_another(HERE, look(change(with_face(scene(0), 1))))


def test_correlation_is_numpys():
    one, other = with_face(scene(0), 1), with_face(scene(0), 2)
    greys = [image[40:88, 60:108, 0].reshape(12, 4, 12, 4).mean((1, 3)) for image in (one, other)]
    expected = np.corrcoef(*(grey.ravel() for grey in greys))[0, 1]
    assert resemblance(look(one), look(other)) == pytest.approx(expected, abs=0.1)


def test_an_even_face_can_be_any():
    even = look(np.full((HIGH, WIDE, 3), 90, np.uint8))
    assert resemblance(HERE, even) == resemblance(even, HERE) == 1.0


@pytest.mark.parametrize(
    "box",
    [(-30.0, -30.0, 60.0, 60.0), (150.0, 110.0, 60.0, 60.0), (200.0, 200.0, 5.0, 5.0), (5.0, 5.0, 0.0, 0.0)],
)
def test_a_box_may_reach_outside(box):
    assert look(with_face(scene(0), 1), box).face.shape == (32, 32)


def test_a_face_each_and_none_without():
    assert appearances(scene(0), []) == []
    assert len(appearances(scene(0), [BOX, BOX])) == 2


def test_a_track_is_not_joined_over_a_cut():
    face = Face(box=BOX, points=((0, 0),) * 5, confidence=0.9)
    last = {1: Detection(0.0, face, HERE)}
    assert join(last, [Detection(0.25, face, HERE)]) == [1]
    assert join(last, [Detection(0.25, face, look(with_face(scene(5), 1)))]) == [2]
    assert join(last, [Detection(0.25, face)]) == [1]
