from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.simulate._blending import laid, window
from facetrust.data.simulate.donors import Donor
from facetrust.data.simulate.swap import (
    PARTS,
    _as_fine,
    _ellipse,
    _middle,
    _onto,
    _solved,
    _toned,
    face_swap,
    part_swap,
)

BOX = (50.0, 40.0, 80.0, 104.0)
POINTS = [(73.0, 84.0), (107.0, 84.0), (90.0, 104.0), (76.0, 123.0), (104.0, 123.0)]


def textured(seed: int, size: tuple[int, int] = (190, 180)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 90, (*size, 3))
    return np.clip(128 + cv2.GaussianBlur(noise, (0, 0), 2.0) * 3, 0, 255).astype(np.uint8)


@pytest.fixture
def target() -> np.ndarray:
    return textured(1)


@pytest.fixture
def donor() -> Donor:
    """A larger face, turned by 20 degrees."""
    turn = np.deg2rad(20)
    matrix = 1.3 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return Donor(textured(2, (300, 300)), [tuple(matrix @ each + (60, 0)) for each in POINTS])


def test_a_donor_that_is_the_target_moved_and_turned_comes_to_lie_over_it(target, donor) -> None:
    """The donor's points are the target's after a similarity; its inverse must be found."""
    move = _onto(donor, np.array(POINTS))
    found = np.array(donor.points) @ move[:, :2].T + move[:, 2]
    assert found == pytest.approx(np.array(POINTS), abs=1e-6)


@pytest.mark.parametrize("swap", [face_swap, part_swap])
def test_outside_the_mask_the_picture_stays_and_inside_it_is_the_donors(target, donor, swap) -> None:
    for seed in range(6):
        made = swap(target, BOX, donor, np.random.default_rng(seed), points=POINTS)
        assert made.real is target
        assert np.array_equal(made.fake[made.mask == 0], target[made.mask == 0])
        inside = made.mask > 0.9
        assert made.mask.max() == pytest.approx(1, abs=0.02)
        assert 0.002 < inside.mean() < 0.4
        correlation = np.corrcoef(made.fake[inside].ravel(), target[inside].ravel())[0, 1]
        assert abs(correlation) < 0.3


@pytest.mark.parametrize("swap", [face_swap, part_swap])
def test_a_seed_repeats_it_and_another_does_not(target, donor, swap) -> None:
    first, again, other = (
        swap(target, BOX, donor, np.random.default_rng(seed), points=POINTS).fake for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("swap", [face_swap, part_swap])
def test_without_points_they_are_guessed_and_a_box_beside_the_picture_changes_nothing(
    target, donor, swap
) -> None:
    assert swap(target, BOX, donor, np.random.default_rng(0)).mask.max() > 0.9
    made = swap(target, (400.0, 400.0, 50.0, 60.0), donor, np.random.default_rng(0))
    assert np.array_equal(made.fake, target)
    assert made.mask.max() == 0


@pytest.mark.parametrize("part", range(len(PARTS)))
def test_an_ellipse_lies_around_its_part(part: int) -> None:
    points = np.array(POINTS)
    for seed in range(8):
        outline = _ellipse(points, part, np.random.default_rng(seed)).astype(np.float32)
        assert cv2.pointPolygonTest(outline, tuple(map(float, _middle(points, part))), False) == 1
        others = [other for other in range(4) if other != part]
        assert all(
            cv2.pointPolygonTest(outline, tuple(map(float, _middle(points, other))), False) == -1
            for other in others
        )


def test_parts_come_to_lie_on_the_targets_own(target) -> None:
    """Each of the donor's parts has a colour; it must show at the target's, wherever the donor has it."""
    theirs = np.array([(60, 60), (140, 60), (100, 110), (75, 150), (125, 150)], float)
    grey = np.full((220, 200, 3), 128, np.uint8)
    for seed in range(8):
        made = part_swap(
            np.full_like(target, 128),
            BOX,
            Donor(grey, theirs.tolist()),
            np.random.default_rng(seed),
            points=POINTS,
        )
        centres = [_middle(np.array(POINTS), part).round().astype(int) for part in range(4)]
        covered = sum(made.mask[y, x] > 0.9 for x, y in centres)
        assert 1 <= covered <= 4
        assert covered == cv2.connectedComponents((made.mask > 0.9).astype(np.uint8))[0] - 1


def test_tones_reach_the_targets_by_the_share(target) -> None:
    mask = np.ones(target.shape[:2], np.float32)
    warm = np.clip(target * np.array([1.0, 0.8, 0.6]), 0, 255).astype(np.uint8)
    lab = [cv2.cvtColor(each, cv2.COLOR_RGB2LAB).astype(float).mean((0, 1)) for each in (warm, target)]
    for share in (0.5, 1.0):
        found = cv2.cvtColor(_toned(warm, target, mask, share=share, spread=False), cv2.COLOR_RGB2LAB)
        wanted = lab[0] + share * (lab[1] - lab[0])
        assert found.astype(float).mean((0, 1)) == pytest.approx(wanted, abs=2)
    none = np.zeros_like(mask)
    assert _toned(warm, target, none, share=1.0, spread=True) is warm


def test_detail_comes_nearer_to_the_targets(target) -> None:
    mask = np.ones(target.shape[:2], np.float32)

    def energy(image: np.ndarray) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).std())

    soft = cv2.GaussianBlur(target, (0, 0), 1.0)
    made = _as_fine(soft, target, mask, 1.0)
    assert energy(soft) < 0.75 * energy(target)
    assert abs(np.log(energy(made) / energy(target))) < 0.75 * abs(np.log(energy(soft) / energy(target)))


def test_a_seamless_source_lies_where_it_lay(target) -> None:
    """Solved against itself a picture stays what it is, which a shift by a pixel would change."""
    at = window(target.shape[:2], BOX)
    under = np.ascontiguousarray(target[at.part])
    grid = np.zeros((224, 224), np.float32)
    cv2.ellipse(grid, (112, 112), (40, 55), 10, 0, 360, 1.0, -1)
    found = _solved(under, under, laid(grid, at))
    assert np.abs(found.astype(int) - under).max() <= 2
    brighter = np.clip(under.astype(int) + 30, 0, 255).astype(np.uint8)
    solved = _solved(brighter, under, laid(grid, at)).astype(int)
    assert np.abs(solved - under).mean() < 6
