from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from facetrust.data.simulate import MANIPULATIONS, SPECIES, SWAPS, beside, manipulate, recapture, simulate
from facetrust.data.simulate.capture import captured, focused
from facetrust.data.simulate.digital_spoof import digital_spoof
from facetrust.data.simulate.donors import Donor
from facetrust.data.simulate.self_blend import self_blend
from facetrust.errors import UnknownName, UsageError

DONOR = Donor(
    np.random.default_rng(9).integers(0, 256, (120, 110, 3), np.uint8),
    [(40, 50), (70, 51), (55, 66), (44, 80), (66, 80)],
)
BOX = (40.0, 40.0, 50.0, 60.0)
GOLDEN = [127.114, 49.558]  # mean levels of a print and a replay


@pytest.fixture
def photo() -> np.ndarray:
    y, x = np.mgrid[0:140, 0:130]
    picture = np.stack([x * 1.5, y * 1.5, 255 - x], axis=2)
    picture[40:100, 40:90] = (200, 150, 120)
    return picture.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("species", SPECIES)
def test_an_attack_keeps_shape_and_type_and_changes_the_face(photo: np.ndarray, species: str) -> None:
    attack = simulate(photo, BOX, species=species, rng=np.random.default_rng(0))
    assert attack.shape == photo.shape
    assert attack.dtype == np.uint8
    face = np.s_[50:90, 50:80]
    change = np.abs(attack[face].astype(int) - photo[face]).mean()
    assert 1 < change < 200


@pytest.mark.parametrize("species", SPECIES)
def test_a_seed_repeats_the_attack_and_another_does_not(photo: np.ndarray, species: str) -> None:
    first, again, other = (
        simulate(photo, BOX, species=species, rng=np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("species", SPECIES)
def test_the_face_stays_where_it_was(species: str) -> None:
    """Blobs under the box must match their own copy best when it is not shifted."""
    noise = np.random.default_rng(0).normal(size=(140, 130, 3)).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 5)
    photo = np.clip(128 + 60 * blobs / blobs.std(), 0, 255).astype(np.uint8)
    target = photo[44:96, 44:86].mean(2).ravel()
    shifts = [(dx, dy) for dx in (-8, -4, 0, 4, 8) for dy in (-8, -4, 0, 4, 8)]
    for seed in range(8):
        grey = recapture(photo, BOX, species=species, rng=np.random.default_rng(seed)).mean(2)
        matches = [
            np.corrcoef(grey[44 + dy : 96 + dy, 44 + dx : 86 + dx].ravel(), target)[0, 1] for dx, dy in shifts
        ]
        assert shifts[int(np.argmax(matches))] == (0, 0)


def test_a_background_shows_around_the_medium(photo: np.ndarray) -> None:
    green = np.zeros_like(photo)
    green[:, :, 1] = 255
    seen = [
        recapture(photo, BOX, species="replay", rng=np.random.default_rng(s), background=green)[0, 0]
        for s in range(30)
    ]
    assert any(pixel[1] > 100 and pixel[0] < 30 and pixel[2] < 30 for pixel in seen)


def test_an_unknown_species_is_answered_with_the_nearest(photo: np.ndarray) -> None:
    with pytest.raises(UnknownName, match="did you mean 'print'"):
        simulate(photo, BOX, species="prints", rng=np.random.default_rng(0))


def test_a_seed_draws_what_it_drew_when_this_was_written(photo: np.ndarray) -> None:
    means = [simulate(photo, BOX, species=name, rng=np.random.default_rng(11)).mean() for name in SPECIES]
    # Between the lowest and the newest libraries the mean level differs by half a level.
    assert means == pytest.approx(GOLDEN, abs=0.6)


def test_a_manipulation_is_its_blends_fake_and_no_default(photo: np.ndarray) -> None:
    assert SPECIES == ("print", "replay")
    assert not set(SPECIES) & set(MANIPULATIONS)
    for seed in range(6):
        blend = self_blend(photo, BOX, np.random.default_rng(seed), joint=False)
        spoof = digital_spoof(photo, BOX, np.random.default_rng(seed))
        for name, wanted in (("self-blend", blend), ("digital-spoof", spoof)):
            found = simulate(photo, BOX, species=name, rng=np.random.default_rng(seed))
            assert np.array_equal(found, wanted.fake)


@pytest.mark.parametrize("species", [name for name in MANIPULATIONS if name != "decoded"])
def test_a_manipulation_comes_with_its_genuine_picture_and_mask(photo: np.ndarray, species: str) -> None:
    given = {"species": species, "donor": DONOR if species in SWAPS else None}
    made = manipulate(photo, BOX, rng=np.random.default_rng(3), **given)
    fake = simulate(photo, BOX, rng=np.random.default_rng(3), **given)
    assert np.array_equal(made.fake, fake)
    assert np.array_equal(made.fake[made.mask == 0], made.real[made.mask == 0])
    with pytest.raises(UnknownName, match="no manipulation named 'print'"):
        manipulate(photo, BOX, species="print", rng=np.random.default_rng(3))


@pytest.mark.parametrize("species", SWAPS)
def test_a_swap_needs_a_donor(photo: np.ndarray, species: str) -> None:
    with pytest.raises(UsageError, match=f"{species}: needs the face of another person"):
        simulate(photo, BOX, species=species, rng=np.random.default_rng(0))


def test_beside_prints_and_replays_a_genuine_picture_is_taken_by_their_camera(photo: np.ndarray) -> None:
    """The draws after the recapture are the camera's; those before decide how sharp the picture may be."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        kind = str(rng.choice(SPECIES))
        like = recapture(photo, BOX, species=kind, rng=rng)
        found = beside(photo, BOX, species=SPECIES, rng=np.random.default_rng(seed))
        assert np.array_equal(found, captured(focused(photo, like, BOX), rng))


def test_beside_manipulations_genuine_pictures_are_changed_as_those_around_the_face(
    photo: np.ndarray,
) -> None:
    corner = np.s_[:12, :12]  # outside any mask
    for species in MANIPULATIONS:
        if species in ("reconstruction", "decoded"):  # All of the picture is made anew.
            continue
        seen = {"genuine": [], "fake": []}
        for seed in range(300):
            rngs = (np.random.default_rng([seed, number]) for number in range(2))
            seen["genuine"].append(beside(photo, BOX, species=(species,), rng=next(rngs)))
            seen["fake"].append(simulate(photo, BOX, species=species, rng=next(rngs), donor=DONOR))
        changes = {
            name: [np.abs(image[corner].astype(int) - photo[corner]).mean() for image in images]
            for name, images in seen.items()
        }
        assert np.mean(np.array(changes["genuine"]) > 0) == pytest.approx(
            np.mean(np.array(changes["fake"]) > 0), abs=0.16
        )
        assert np.mean(changes["genuine"]) == pytest.approx(np.mean(changes["fake"]), rel=0.35)


def test_a_scene_brighter_than_white_is_white(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetrust.data.simulate.held", lambda medium, *_, **__: np.full_like(medium, 1.2))
    whole = [
        recapture(photo, BOX, species="replay", rng=np.random.default_rng(seed)).min() for seed in range(8)
    ]
    assert 255 in whole  # Where a screen is held, as most are.


def test_simulating_needs_no_torch() -> None:
    code = "import facetrust.data.simulate, facetrust.data.augment, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
