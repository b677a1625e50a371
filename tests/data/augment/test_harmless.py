from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.data.audit.probes import separation
from facetrust.data.augment.harmless import HARMLESS, Changed, Matched, Neutral, changed, controlled
from facetrust.data.augment.sharpness import sharpness
from facetrust.errors import UnknownName
from facetrust.imaging import Pixels, box_of, crop_face, read_sample
from facetrust.records import Preprocessing, Sample

POINTS = ((40.0, 40.0), (60.0, 41.0), (50.0, 52.0), (42.0, 62.0), (58.0, 63.0))


def scene() -> tuple[Pixels, Sample]:
    """A picture of 120 x 160 pixels; the face's box at 30, 25, 40 wide, 50 high."""
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 50, (120, 160, 3)), (0, 0), 1)
    image = np.clip(noise * 2 + (150, 120, 100), 0, 255).astype(np.uint8)
    return image, Sample(path="x.png", label=0, split="test", x=30, y=25, w=40, h=50, points=POINTS)


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.title)
def test_a_dot_in_the_face_is_where_box_and_points_say(change: object) -> None:
    image, sample = scene()
    image[:] = 128
    image[50:54, 48:52] = 255  # Around (50, 52), where the nose is.
    made, moved = changed(image, sample, change.kind, change.strength)  # type: ignore[attr-defined]
    assert made.dtype == np.uint8
    grey = made.astype(float).mean(axis=2)
    weight = np.abs(grey - np.median(grey))
    weight[weight < weight.max() / 2] = 0
    rows, columns = np.indices(grey.shape)
    at = ((columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum())
    assert moved.points is not None
    assert at == pytest.approx(moved.points[2], abs=0.8)
    x, y, w, h = box_of(moved, made)
    across, down = (at[0] - x) / w, (at[1] - y) / h
    # The nose is in the middle across and 0.54 down, or 0.46 where the picture stands on its head.
    assert abs(across - 0.5) < 0.06
    assert abs(down - 0.5) < 0.06


def test_closed_forms() -> None:
    image, sample = scene()

    def of(kind: str, strength: float) -> Pixels:
        return changed(image, sample, kind, strength)[0]

    assert np.array_equal(of("brightness", 0.5), np.clip(np.rint(image * 0.5), 0, 255))
    assert np.array_equal(
        of("warm", 15)[:, :, 0], np.clip(np.rint(image[:, :, 0] * np.float32(1.15)), 0, 255)
    )
    assert np.array_equal(of("warm", 15)[:, :, 2], np.rint(image[:, :, 2] * np.float32(0.85)))
    assert np.array_equal(of("cool", 15)[:, :, 1], image[:, :, 1])
    assert np.ptp(of("saturation", 0).astype(int), axis=2).max() == 0
    assert np.array_equal(of("gamma", 1.6)[5, 5], np.rint(255 * (image[5, 5] / 255) ** 1.6))
    assert np.array_equal(of("mirror", 1), image[:, ::-1])
    assert np.array_equal(of("turn", 90), np.rot90(image))
    assert np.array_equal(of("face-blur", 2), cv2.GaussianBlur(image, (0, 0), 1.0))
    assert np.array_equal(of("tight", 1), image[25:75, 30:70])
    assert of("face-size", 25).shape == (60, 80, 3)
    assert of("face-size", 500) is image
    halved = image.reshape(60, 2, 80, 2, 3).mean((1, 3))
    assert np.array_equal(of("size", 50), np.floor(halved + 0.5))
    shown = cv2.resize(image, (120, 90), interpolation=cv2.INTER_LINEAR)
    _, saved = cv2.imencode(".jpg", shown[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert np.array_equal(of("screenshot", 75), cv2.imdecode(saved, cv2.IMREAD_COLOR)[:, :, ::-1])


def test_left_and_right_change_places_in_the_mirror() -> None:
    image, sample = scene()
    _, moved = changed(image, sample, "mirror", 1)
    assert moved.points is not None
    assert moved.points[0] == (159 - 60.0, 41.0)
    assert moved.points[0][0] < moved.points[1][0]


def test_a_picture_without_a_box_is_the_face() -> None:
    image, sample = scene()
    whole = sample.model_copy(update=dict.fromkeys(("x", "y", "w", "h", "points")))
    made, moved = changed(image, whole, "face-size", 80)
    assert made.shape == (60, 80, 3)
    assert moved.x is None
    assert changed(image, whole, "tight", 1)[0].shape == image.shape


def test_an_unknown_change_is_named() -> None:
    image, sample = scene()
    with pytest.raises(UnknownName, match="did you mean 'mirror'"):
        changed(image, sample, "miror", 1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Live pictures are red and sharp, attacks blue and soft: tint and blur tell everything."""
    root = tmp_path_factory.mktemp("rows")
    made = []
    for number in range(60):
        label = number % 2
        noise = np.random.default_rng(number).normal(0, 50, (90, 90, 3))
        soft = cv2.GaussianBlur(noise, (0, 0), 0.8 + 0.8 * label) * (2 + label)
        tint = (100, 120, 150) if label else (150, 120, 100)
        image = np.clip(soft + tint, 0, 255).astype(np.uint8)
        path = root / f"{number}.png"
        cv2.imwrite(str(path), image[:, :, ::-1])
        made.append(Sample(path=str(path), label=label, split="test", domain="d", x=5, y=5, w=80, h=80))
    return made


def told(rows: list[Sample], read: object, measure: object) -> float:
    values = np.array([measure(read(row)[0]) for row in rows])  # type: ignore[operator]
    found = separation(np.array([row.label for row in rows]), values)
    return max(found, 1 - found)


def redness(image: Pixels) -> float:
    return float(np.log(image[:, :, 0].mean() / image[:, :, 2].mean()))


def test_neutralised_pictures_tell_nothing_by_tint_or_brightness(rows: list[Sample]) -> None:
    neutral = Neutral(Path(rows[0].path).parent)
    assert told(rows, read_sample, redness) == 1
    assert told(rows, neutral, redness) < 0.7
    assert told(rows, neutral, np.mean) < 0.7
    assert np.array_equal(neutral(rows[0])[0], neutral(rows[0])[0])


def test_matched_pictures_tell_nothing_by_sharpness(rows: list[Sample]) -> None:
    matched = Matched(tuple(rows), Path(rows[0].path).parent)

    def fine(image: Pixels) -> float:
        return sharpness(crop_face(image, (5, 5, 80, 80), Preprocessing(margins=(1.0,))))

    assert told(rows, read_sample, fine) == 1
    assert told(rows, matched, fine) < 0.75
    live, attack = rows[0], rows[1]
    assert np.array_equal(matched(attack)[0], read_sample(attack)[0])  # It was the softer one.
    assert not np.array_equal(matched(live)[0], read_sample(live)[0])


def test_without_a_partner_a_picture_stays(rows: list[Sample]) -> None:
    lives = tuple(row for row in rows if row.label == 0)
    image, _ = Matched(lives, Path(rows[0].path).parent)(lives[0])
    assert np.array_equal(image, read_sample(lives[0])[0])


def test_controls_by_name(rows: list[Sample]) -> None:
    found = controlled(rows)
    assert list(found) == ["neutral", "matched"]
    with_root = controlled(rows, Path(rows[0].path).parent)
    assert np.array_equal(found["neutral"](rows[3])[0], with_root["neutral"](rows[3])[0])


def test_a_reader_changes_what_it_reads(rows: list[Sample]) -> None:
    image, row = Changed("mirror", 1)(rows[0])
    assert np.array_equal(image, read_sample(rows[0])[0][:, ::-1])
    assert row.x == 5
