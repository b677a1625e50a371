from pathlib import Path

import numpy as np
import pytest

from facetrust.data.audit.probes import (
    BINS,
    OF_CROPS,
    PROBES,
    laplacian,
    probe_values,
    probed_face,
    saturation,
    separation,
    spectrum,
    tint,
)
from facetrust.data.sources.nuaa import nuaa
from facetrust.imaging import crop_face, read_image
from facetrust.records import Preprocessing


def noise(height: int = 60, width: int = 44, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_laplacian_against_a_loop() -> None:
    crop = np.repeat(noise(9, 8)[:, :, :1], 3, axis=2)
    grey = np.pad(crop[:, :, 0].astype(float), 1, mode="reflect")
    values = [
        grey[r - 1, c] + grey[r + 1, c] + grey[r, c - 1] + grey[r, c + 1] - 4 * grey[r, c]
        for r in range(1, 10)
        for c in range(1, 9)
    ]
    assert laplacian(crop) == pytest.approx(np.var(values))
    assert laplacian(np.full((20, 20, 3), 7, np.uint8)) == 0


def test_saturation_of_known_colours() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :2] = (200, 0, 0)
    red[:, 2:] = (200, 100, 100)
    assert saturation(red) == pytest.approx(0.75, abs=0.002)
    assert saturation(np.full((4, 4, 3), 90, np.uint8)) == 0


def test_tint_of_known_colours() -> None:
    def of(red: int, blue: int) -> float:
        return tint(np.full((5, 4, 3), (red, 90, blue), np.uint8))

    assert of(120, 120) == of(0, 0) == 0
    assert of(49, 99) == pytest.approx(np.log(2))
    assert of(99, 49) == -of(49, 99)


def test_a_wave_lights_its_own_ring() -> None:
    for ring in (3, 8, 14):
        wave = 128 + 100 * np.cos(2 * np.pi * (ring + 0.5) / (2 * BINS) * np.arange(128))
        crop = np.repeat(np.tile(wave, (128, 1)).astype(np.uint8)[:, :, None], 3, axis=2)
        assert int(np.argmax(spectrum(crop))) == ring
        assert int(np.argmax(spectrum(np.ascontiguousarray(crop.transpose(1, 0, 2))))) == ring


def test_white_noise_is_flat_and_has_its_variance() -> None:
    crop = np.repeat(noise(200, 180)[:, :, :1], 3, axis=2)
    rings = spectrum(crop)
    assert np.ptp(rings[2:]) < 0.5
    assert float(np.exp(rings[4:]).mean()) == pytest.approx(crop[:, :, 0].astype(float).var(), rel=0.1)


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("shape", [(8, 8), (3, 40), (31, 17), (400, 300)])
def test_any_size_gives_finite_values(name: str, shape: tuple[int, int]) -> None:
    flat = np.full((*shape, 3), 255, np.uint8)
    for crop in (noise(*shape), flat):
        values = np.atleast_1d(PROBES[name](crop))
        assert values.shape == ((BINS,) if name == "spectrum" else (1,))
        assert np.isfinite(values).all()


def test_separation_against_all_pairs() -> None:
    rng = np.random.default_rng(1)
    labels, values = rng.integers(0, 2, 60), rng.integers(0, 12, 60).astype(float)
    attack, live = values[labels == 1], values[labels == 0]
    slow = np.mean([(a > b) + 0.5 * (a == b) for a in attack for b in live])
    assert separation(labels, values) == pytest.approx(slow)
    assert np.isnan(separation(np.ones(3, int), np.arange(3.0)))
    assert separation(np.array([0, 1]), np.array([1.0, 1.0])) == 0.5


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((5, 7, 20, 30), (7, 37), (5, 25)),
        ((4.6, 7.4, 19.7, 30.2), (7, 37), (5, 25)),
        ((-3, 50, 20, 30), (50, 60), (0, 17)),
        ((30, -2.2, 20, 90), (0, 60), (30, 44)),
        ((42, 7, 20, 30), (0, 60), (0, 44)),
        ((500, 7, 20, 30), (0, 60), (0, 44)),
        ((-500, -700, 20, 30), (0, 60), (0, 44)),
    ],
)
def test_the_probed_face_is_the_box_as_far_as_it_lies_inside(box, rows, columns) -> None:
    image = noise()
    expected = image[slice(*rows), slice(*columns)]
    assert np.array_equal(probed_face(image, box), expected)
    values = probe_values(image, box)
    assert list(values) == list(PROBES)
    for name in set(PROBES) - set(OF_CROPS):
        assert np.array_equal(values[name], np.atleast_1d(PROBES[name](np.ascontiguousarray(expected))))


def test_sharpness_is_measured_as_the_network_is_fed_and_no_light_or_tint_changes_it() -> None:
    image, box = noise(90, 80) // 2, (12.0, 14.0, 40.0, 44.0)
    fed = Preprocessing(margins=(1.4, 2.0), size=(32, 24))
    assert probe_values(image, box, fed)["sharpness"] == PROBES["sharpness"](crop_face(image, box, fed))
    assert probe_values(image, box, fed)["laplacian"] == probe_values(image, box)["laplacian"]
    tinted = np.rint(image * np.array([1.9, 1.0, 0.6])).astype(np.uint8)
    plain, other = (probe_values(each, box) for each in (image, tinted))
    assert other["sharpness"] == pytest.approx(plain["sharpness"], rel=0.02)
    assert other["laplacian"] != pytest.approx(plain["laplacian"], rel=0.02)


@pytest.mark.real
def test_known_figures_on_nuaa(real_data: Path) -> None:
    """Saturation 0.75 and the Laplacian well above it are known floors of this set."""
    root = real_data / "nuaa"
    labels, sharp, colour = [], [], []
    for row in nuaa(root):
        x, y, w, h = (round(side or 0) for side in (row.x, row.y, row.w, row.h))
        crop = np.ascontiguousarray(read_image(root / row.path)[max(0, y) : y + h, max(0, x) : x + w])
        labels.append(row.label)
        sharp.append(laplacian(crop))
        colour.append(saturation(crop))
    assert 1 - separation(np.array(labels), np.array(colour)) == pytest.approx(0.75, abs=0.005)
    assert 1 - separation(np.array(labels), np.array(sharp)) == pytest.approx(0.855, abs=0.005)
