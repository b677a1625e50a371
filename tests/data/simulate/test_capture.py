"""What must not tell: tint, saturation, brightness and sharpness, in closed form and on faces."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.data.audit.probes import laplacian, probed_face, saturation, separation
from facetrust.data.augment.sharpness import sharpness
from facetrust.data.simulate import SPECIES, beside, simulate
from facetrust.data.simulate.capture import captured, exposed, focused, lit, softened
from facetrust.imaging import Pixels, fit_within, read_image
from facetrust.records import Box

BOX = (30.0, 20.0, 60.0, 80.0)
_PROBES = {
    "saturation": saturation,
    "tint": lambda face: float(np.log((face[:, :, 2].mean() + 1) / (face[:, :, 0].mean() + 1))),
    "brightness": lambda face: float(face.mean()),
    "laplacian": laplacian,
}


def picture(seed: int, *, fine: float = 1.5) -> Pixels:
    """Blobs of skin's colours, as sharp as asked for."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (120, 120, 3)).astype(np.float32), (0, 0), fine)
    large = cv2.GaussianBlur(rng.normal(0, 1, (120, 120, 1)).astype(np.float32), (0, 0), 12)[:, :, None]
    colour = rng.uniform(0.4, 1.1) * np.array([190, 140, 115]) * np.exp(rng.normal(0, 0.08, 3))
    made = colour * (1 + 0.25 * large / large.std() + 0.05 * noise / noise.std())
    return np.clip(made, 0, 255).astype(np.uint8)


def test_the_colours_that_a_medium_changed_come_back() -> None:
    face = np.clip(picture(1), 40, 200)
    medium = (face.astype(np.float32) * (0.6, 0.5, 0.7) + (30, 50, 20)) / 255
    shown = exposed(medium.astype(np.float32), face, BOX)
    assert np.abs(255 * shown - face).mean() < 2.5


def test_what_is_in_focus_is_no_sharper_than_the_other_and_a_softer_one_stays() -> None:
    sharp, soft = picture(2, fine=0.6), picture(2, fine=4)
    part = np.s_[20:100, 30:90]
    assert sharpness(sharp[part]) > 1.5 * sharpness(soft[part])
    assert sharpness(focused(sharp, soft, BOX)[part]) == pytest.approx(sharpness(soft[part]), rel=0.2)
    assert focused(soft, sharp, BOX) is soft


def test_the_camera_covers_the_light_that_must_not_matter() -> None:
    face = np.full((60, 60, 3), (150, 120, 100), np.uint8)
    shown = [captured(face, np.random.default_rng(seed)) for seed in range(300)]
    gain = np.array([made.mean() for made in shown]) / face.mean()
    assert np.quantile(gain, 0.05) < 0.3
    assert gain.max() > 1.6
    chroma = np.array([saturation(made) for made in shown]) / saturation(face)
    assert chroma.min() < 0.1
    assert np.quantile(chroma, 0.95) > 1.3


def test_a_lens_softens_by_a_share_of_the_face() -> None:
    """An edge of a lens's blur has the sigma that its steepest step tells."""
    edge = np.zeros((80, 400, 3), np.float32)
    edge[:, 200:] = 1
    found = []
    for seed in range(200):
        blurred = softened(edge, (100.0, 0.0, 200.0, 80.0), np.random.default_rng(seed))
        found.append(1 / (np.sqrt(2 * np.pi) * np.diff(blurred[40, :, 0]).max()))
    assert 0.35 < min(found) < 0.7  # pixels; 0.2 % of 200 are 0.4
    assert 2.2 < max(found) < 2.5


def test_light_from_a_side_keeps_the_middle() -> None:
    face = np.full((61, 81, 3), 100, np.uint8)
    shown = np.stack([lit(face, np.random.default_rng(seed)) for seed in range(100)]).astype(float)
    assert np.abs(shown[:, 30, 40] - 100).max() <= 1
    assert 115 < shown.max() <= 125  # half of 35 % to a corner, at most 1.42 sides away
    assert (shown.max(axis=(1, 2, 3)) + shown.min(axis=(1, 2, 3)) - 200 <= 2).all()


def test_a_medium_that_is_kept_is_softer_and_duller_than_the_face() -> None:
    """What `exposed` and `focused` take away is there, and the camera's draws are not."""
    found: dict[str, list[float]] = {name: [] for name in _PROBES}
    for seed in range(80):
        face = picture(seed, fine=1)
        shown = simulate(face, BOX, species="replay", rng=np.random.default_rng(seed), keep_medium=True)
        for name, probe in _PROBES.items():
            found[name].append(probe(probed_face(shown, BOX)) / max(probe(probed_face(face, BOX)), 1e-6))
    assert np.median(found["laplacian"]) < 0.9
    assert np.median(found["saturation"]) < 0.9
    assert min(found["saturation"]) > 0.2  # nothing became grey


def separations(faces: Iterator[tuple[Pixels, Box]]) -> dict[str, float]:
    """Returns, for every trivial probe, the area under the ROC curve of simulated against live."""
    values: dict[str, list[float]] = {name: [] for name in _PROBES}
    labels = []
    for number, (image, box) in enumerate(faces):
        species = SPECIES[number % 2]
        live = beside(image, box, species=SPECIES, rng=np.random.default_rng([0, number, 0]))
        attack = simulate(image, box, species=species, rng=np.random.default_rng([0, number, 1]))
        for label, shown in ((0, live), (1, attack)):
            labels.append(label)
            for name, probe in _PROBES.items():
                values[name].append(probe(probed_face(shown, box)))
    return {name: separation(np.array(labels), np.array(found)) for name, found in values.items()}


def real_faces(root: Path) -> Iterator[tuple[Pixels, Box]]:
    """A hundred faces each of CelebAMask-HQ, NUAA's train part and CFP, 112 pixels tall at most."""
    for path in sorted((root / "celebamask" / "images").glob("train_*"))[:600:6]:
        yield fitted(read_image(path), (80, 75, 160, 200))
    with (root / "nuaa" / "manifest.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["label"], row["split_subject_disjoint"]) == ("live", "train")
        ]
    for row in rows[:: len(rows) // 100][:100]:
        x, y, w, h = (float(row[side]) for side in "xywh")
        image = read_image(root / "nuaa" / row["path"])
        left, top = round(max(0, x - w / 2)), round(max(0, y - h / 2))
        cut = image[top : round(y + 1.5 * h), left : round(x + 1.5 * w)]
        yield fitted(cut, (x - left, y - top, w, h))
    for path in sorted((root / "cfp").glob("*/frontal/01.jpg"))[:500:5]:
        yield read_image(path), (16, 12, 80, 96)


def fitted(image: Pixels, box: Box) -> tuple[Pixels, Box]:
    image, factor = fit_within(np.ascontiguousarray(image), round(max(image.shape) * min(1.0, 112 / box[3])))
    x, y, w, h = (side * factor for side in box)
    return image, (x, y, w, h)


def test_no_trivial_probe_tells_real_live_faces_from_attacks_on_them(real_data: Path) -> None:
    """300 of each: by chance alone a probe deviates by 0.024."""
    found = separations(real_faces(real_data))
    assert {name: value for name, value in found.items() if not 0.45 <= value <= 0.55} == {}


def test_no_trivial_probe_tells_made_live_faces_from_attacks_on_them() -> None:
    """150 of each: by chance alone a probe deviates by 0.033; three times that is one seed in a hundred."""
    faces = ((picture(seed, fine=0.6 + seed % 5 / 2), BOX) for seed in range(150))
    found = separations(faces)
    assert {name: value for name, value in found.items() if not 0.4 <= value <= 0.6} == {}
