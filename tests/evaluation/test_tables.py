"""Class masks as confusions: cut as the picture, and the baseline that knows only places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.evaluation.tables import class_table, commonest_classes
from facetrust.imaging import read_sample
from facetrust.records import ModelCard, Preprocessing, Provenance, Sample

CLASSES = ("background", "skin", "hair")
HOW = Preprocessing(margins=(1.0,), size=(8, 8))
CARD = ModelCard(
    name="m", task="parsing", architecture="a", preprocessing=HOW, score_means="s", classes=CLASSES
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Three train faces and a test face: left half skin, right half hair, in one of three skin."""
    rows = []
    for n, (right, split) in enumerate(((2, "train"), (2, "train"), (1, "train"), (2, "test"))):
        mask = np.ones((16, 16), np.uint8)
        mask[:, 8:] = right
        Image.fromarray(mask).save(tmp_path / f"{n}.mask.png")
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / f"{n}.png")
        rows.append(Sample(path=f"{n}.png", split=split, mask=f"{n}.mask.png"))
    return Manifest.of(rows, tmp_path)


def test_the_baseline_is_how_often_a_class_lies_at_a_place(manifest):
    shares = commonest_classes(manifest, CARD)
    assert shares.shape == (3, 8, 8)
    assert shares[:, 3, 1].tolist() == [0, 1, 0]
    assert shares[:, 3, 6] == pytest.approx([0, 1 / 3, 2 / 3])
    test = Manifest.of(manifest.only("test").samples(), manifest.root)
    assert commonest_classes(test, CARD) is None


def test_confusions_are_counted_at_the_size_of_the_answer(manifest):
    made_by = Provenance(
        model="m", version="1", task="parsing", manifest="a", split="test", classes=CLASSES, size=(8, 8)
    )
    rows = manifest.only("test").samples()
    located = [
        row.model_copy(
            update={"path": str(manifest.root / row.path), "mask": str(manifest.root / str(row.mask))}
        )
        for row in rows
    ]
    answer = np.zeros((3, 8, 8))
    answer[1] = 1  # Skin everywhere.
    table = class_table(rows, located, [answer], made_by, preprocessing=HOW, read=read_sample)
    names, counts = table.counts()
    assert names == ["3.png"]
    assert counts[0].tolist() == [[0, 0, 0], [0, 32, 0], [0, 32, 0]]
