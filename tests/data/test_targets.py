"""What a row must bring: a label, an identity, or a mask of classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facetrust.data.dataset import FaceData, collate
from facetrust.data.targets import NOBODY, Identities, Labels, Masks, label_number, target_of
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.records import Preprocessing, Sample


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("live", 0),
        ("bona fide", 0),
        (" Real ", 0),
        (0, 0),
        ("0", 0),
        ("spoof", 1),
        ("Fake", 1),
        (1, 1),
        ("same", 1),
    ],
)
def test_labels_of_any_task_become_0_or_1(name, number):
    assert label_number(name) == number


@pytest.mark.parametrize("name", ["", "maybe", 2, -1, "nan"])
def test_an_unknown_label_is_an_error(name):
    with pytest.raises(ManifestError, match=r"is not known; use one of 0, bona fide"):
        label_number(name)


def rows(*subjects: str | None) -> list[Sample]:
    return [Sample(path=f"{n}.png", split="train", subject=who) for n, who in enumerate(subjects)]


def test_a_label_is_a_number_and_1_where_a_positive_was_made_of_a_negative():
    sample = Sample(path="a.png", label=0, split="train")
    assert [Labels().of(sample, faked=faked) for faked in (False, True)] == [0.0, 1.0]
    with pytest.raises(ManifestError, match=r"a\.png: has no label"):
        Labels().of(Sample(path="a.png", split="train"))


def test_identities_are_numbered_train_first_and_sorted():
    target = Identities(rows("b", "a", "b"), rows("c", "a", "d"))
    assert target.settings == {"identities": 2}
    assert [target.of(row) for row in rows("a", "b", "c", "d")] == [0, 1, 2, 3]
    assert Identities(rows("b", None)).of(rows(None)[0]) == NOBODY == -1
    assert Identities(rows(None)).settings == {"identities": 0}


def masked(tmp_path: Path, mask: np.ndarray, size: tuple[int, int] = (20, 30)) -> Sample:
    Image.fromarray(mask).save(tmp_path / "m.png")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((*size, 3), np.uint8))
    return Sample(path=str(tmp_path / "a.png"), split="train", mask=str(tmp_path / "m.png"))


CLASSES = ("background", "left_eye", "right_eye", "l_brow", "nose", "r_brow")


def test_masks_know_left_from_right_when_they_are_mirrored(tmp_path):
    mask = np.repeat(np.arange(6, dtype=np.uint8)[None], 20, 0).repeat(5, 1)
    target = Masks(CLASSES)
    read = target.read(masked(tmp_path, mask), (20, 30, 3))
    assert np.array_equal(read[:, :, 0], mask)
    assert target.mirrored(np.arange(6, dtype=np.uint8)).tolist() == [0, 2, 1, 5, 4, 3]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((20, 30), 6, np.uint8), "holds index 6; 6 classes are named"),
        (np.zeros((20, 31), np.uint8), r"is \(20, 31\), its picture \(20, 30\)"),
        (np.zeros((20, 30, 3), np.uint8), "RGB pixels; a mask holds class indices"),
    ],
)
def test_a_mask_that_does_not_fit_is_one_line(tmp_path, mask, message):
    with pytest.raises(ImageError, match=message):
        Masks(CLASSES).read(masked(tmp_path, mask), (20, 30, 3))


def test_masks_need_names():
    with pytest.raises(UsageError, match="name every class"):
        target_of("mask", [], classes=())
    with pytest.raises(UsageError, match="once"):
        Masks(("a", "a"))


def test_picture_and_mask_are_cut_and_mirrored_together(tmp_path):
    """A picture whose brightness is its class: after any augmentation of place, both still agree."""
    rng = np.random.default_rng(0)
    mask = cv2.resize(rng.integers(0, 3, (4, 6), np.uint8), (60, 40), interpolation=cv2.INTER_NEAREST)
    Image.fromarray(mask).save(tmp_path / "m.png")
    cv2.imwrite(str(tmp_path / "a.png"), np.repeat(mask[:, :, None] * 100, 3, 2))
    row = Sample(
        path=str(tmp_path / "a.png"), split="train", mask=str(tmp_path / "m.png"), x=10, y=5, w=30, h=30
    )
    how = Preprocessing(margins=(1.0, 1.4), size=(24, 24), resize="nearest")
    data = FaceData(
        [row], views={"student": how}, training=True, tight=0.5, strength=0.0, target=Masks(("a", "b", "c"))
    )
    batch = collate([data[key] for key in range(12)])
    assert batch["target"].shape == (12, 1, 24, 24)
    levels = batch["views"]["student"][:, :, 0] * 255 / 100
    assert (levels.round() == batch["target"]).float().mean() == 1.0


def test_a_row_without_a_mask_is_put_aside(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    row = Sample(path=str(tmp_path / "a.png"), split="train", subject="s")
    batch = collate([FaceData([row], views={"student": Preprocessing()}, target=Masks(("a",)))[0]])
    assert "names no mask" in batch["failed"][0].reason
