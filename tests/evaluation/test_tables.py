"""Class masks as confusions: cut as the picture, and the baseline that knows only places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facetrust.data.manifest import Manifest
from facetrust.errors import UsageError
from facetrust.evaluation.scorers import merging
from facetrust.evaluation.tables import class_table, commonest_classes
from facetrust.imaging import read_sample
from facetrust.imaging.pixels import CLASS_NAMES
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
    # Skin and hair have a boundary in the mask, in the middle; what is answered has none.
    assert table.boundaries()[0, 1:].tolist() == [0, 0]
    assert np.isnan(table.boundaries()[0, 0])


def test_classes_are_merged_and_ignored_pixels_are_not_counted(tmp_path):
    """A mask of background, beard, skin and neck, two columns each; a network that knows skin everywhere."""
    names = PngInfo()
    names.add_text(CLASS_NAMES, "background,beard,skin,neck")
    Image.fromarray(np.arange(4, dtype=np.uint8).repeat(2)[None].repeat(8, axis=0)).save(
        tmp_path / "mask.png", pnginfo=names
    )
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "face.png")
    row = Sample(path=str(tmp_path / "face.png"), split="test", mask=str(tmp_path / "mask.png"))
    merge = {"face": ("skin", "neck"), "ignored": ("beard",)}
    card, scorer = merging(
        CARD, lambda rows, read: iter([np.eye(3)[1][:, None, None] * np.ones((8, 8))]), merge
    )
    assert card.classes == ("background", "face", "hair")
    made_by = Provenance(
        model="m", version="1", task="parsing", manifest="a", split="test", classes=card.classes, merged=merge
    )
    table = class_table(
        [row], [row], list(scorer([row], read_sample)), made_by, preprocessing=HOW, read=read_sample
    )
    assert table.counts()[1][0].tolist() == [[0, 16, 0], [0, 32, 0], [0, 0, 0]]
    train = Manifest.of([row.model_copy(update={"split": "train"})], Path("/"))
    place = commonest_classes(train, card, merge)
    assert place[:, 0].tolist() == [[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1], [0] * 8]


def test_what_cannot_be_merged_is_named():
    with pytest.raises(UsageError, match="gives no classes"):
        merging(CARD.model_copy(update={"classes": ()}), lambda rows, read: iter(()), {"face": ("skin",)})
    scorer = lambda rows, read: iter(())  # noqa: E731
    assert merging(CARD, scorer, {}) == (CARD, scorer)
