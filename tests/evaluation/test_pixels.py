"""The baseline of whitened pixels: its algebra, and whom it is fitted on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.data.manifest import Manifest, absolute
from facetrust.evaluation.pixels import NAME, SIDE, fit_whitening, pixel_pairs
from facetrust.imaging import TEMPLATE
from facetrust.protocols.verification import verification
from facetrust.records import Provenance, Sample

MADE_BY = Provenance(model="tiny", version="1", task="toy-tint", manifest="m", split="test", seed=3)


def test_whitened_faces_have_deviation_1_and_no_correlation():
    rng = np.random.default_rng(0)
    faces = rng.normal(size=(400, SIDE, SIDE)).astype(np.float32).cumsum(1)
    faces += faces[:, :, ::-1]  # Alike on both sides, so that a face and its mirror image have one vector.
    fitted = fit_whitening(faces.reshape(400, -1), components=12)
    vectors = fitted.of(faces.reshape(400, -1)) / 2
    assert vectors.shape == (400, 12)
    assert np.cov(vectors, rowvar=False, bias=True) == pytest.approx(np.eye(12), abs=0.02)
    assert vectors.mean(0) == pytest.approx(np.zeros(12), abs=0.02)


def test_a_face_and_its_mirror_image_have_one_vector():
    rng = np.random.default_rng(1)
    faces = rng.random((50, SIDE, SIDE)).astype(np.float32)
    fitted = fit_whitening(faces.reshape(50, -1), components=10)
    mirrored = np.ascontiguousarray(faces[:, :, ::-1]).reshape(50, -1)
    assert fitted.of(mirrored) == pytest.approx(fitted.of(faces.reshape(50, -1)), abs=1e-4)


def test_no_more_components_than_the_faces_have():
    flat = np.zeros((30, SIDE * SIDE), np.float32)
    flat[:, :3] = np.random.default_rng(0).random((30, 3))
    assert fit_whitening(flat).directions.shape == (SIDE * SIDE, 3)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Twenty people with a blotch of their own, three noisy pictures each; the last four people train."""
    rng = np.random.default_rng(0)
    rows = []
    for who in range(20):
        face = cv2.GaussianBlur(rng.normal(size=(112, 112)), (0, 0), 6) * 900
        for number in range(3):
            image = np.clip(128 + face + rng.normal(0, 20, (112, 112)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"{who}-{number}.png"), image)
            split = "train" if who >= 16 else "test"
            points = TEMPLATE if who % 2 else None
            rows.append(Sample(path=f"{who}-{number}.png", split=split, subject=f"p{who}", points=points))
    Manifest.write(rows, tmp_path / "m.csv")
    listed = "first,second,same,fold\n" + "".join(
        f"{who}-0.png,{who}-1.png,1,{fold + 1}\n{who}-0.png,{4 * fold + (who + 1) % 4}-2.png,0,{fold + 1}\n"
        for who in range(16)
        for fold in (who // 4,)
    )
    (tmp_path / "m.csv.pairs.csv").write_text(listed)
    return tmp_path / "m.csv"


def scored(faces: Path, learning: Manifest):
    rows = Manifest.read(faces).only("test").samples()
    pairs = Path(f"{faces}.pairs.csv")
    return pixel_pairs(learning, rows, absolute(rows, faces.parent), pairs, MADE_BY)


def test_fitted_on_people_who_train(faces):
    table = scored(faces, Manifest.read(faces))
    assert len(table) == 32
    assert (table.made_by.model, table.made_by.seed, table.made_by.trained_people) == (NAME, None, 0)
    assert table.made_by.version == Manifest.read(faces).hash
    accuracy = verification(table, rounds=5).levels[0].figure("accuracy").value
    assert accuracy > 0.8


def test_fitted_on_the_other_folds_where_nobody_trains(faces):
    table = scored(faces, Manifest.read(faces).only("test"))
    assert sorted(table.folds) == sorted([1, 2, 3, 4] * 8)
    assert table.made_by.trained_people == 0
    # What a fold's score is does not depend on the fold's own pictures, but for the pair itself.
    image = cv2.imread(str(faces.parent / "3-1.png"), 0)
    cv2.imwrite(str(faces.parent / "3-1.png"), 255 - image)
    again = scored(faces, Manifest.read(faces).only("test"))
    before, after = (dict(zip(each.rows["sample"], each.scores, strict=True)) for each in (table, again))
    assert before["0-0.png 0-1.png"] == pytest.approx(after["0-0.png 0-1.png"])
    assert before["3-0.png 3-1.png"] != pytest.approx(after["3-0.png 3-1.png"])
    assert before["4-0.png 4-1.png"] != pytest.approx(after["4-0.png 4-1.png"], abs=1e-9)


def test_nothing_to_be_fitted_on(faces, caplog):
    pairs = Path(f"{faces}.pairs.csv")
    pairs.write_text("first,second,same\n0-0.png,0-1.png,1\n")
    assert scored(faces, Manifest.read(faces).only("test")) is None
    assert "has no train rows" in caplog.text


def test_people_who_are_fitted_on_are_counted(faces):
    everybody = [row.model_copy(update={"split": "train"}) for row in Manifest.read(faces).samples()]
    table = scored(faces, Manifest.of(everybody, faces.parent))
    assert table.made_by.trained_people == 16
