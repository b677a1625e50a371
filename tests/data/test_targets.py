"""What a row must bring: a label, an identity, or a mask of classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from facetrust.data.batches import collate
from facetrust.data.dataset import FaceData
from facetrust.data.sources.celebamask_hq import CLASSES as CELEBAMASK_HQ
from facetrust.data.sources.celebamask_hq import celebamask_hq
from facetrust.data.targets import NOBODY, Identities, Labels, Masks, label_number, target_of
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.imaging.pixels import CLASS_NAMES
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


def named(path: Path, mask: np.ndarray, names: str) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text(CLASS_NAMES, names)
    Image.fromarray(mask).save(path, pnginfo=notes)


def test_a_mask_that_names_its_classes_is_converted_by_name(tmp_path):
    sample = masked(tmp_path, np.zeros((20, 30), np.uint8))
    mask = np.repeat(np.arange(3, dtype=np.uint8)[None], 20, 0).repeat(10, 1)
    named(tmp_path / "m.png", mask, "nose,background,l_brow")
    read = Masks(CLASSES).read(sample, (20, 30))
    assert [CLASSES[index] for index in read[0, ::10, 0]] == ["nose", "background", "l_brow"]
    named(tmp_path / "m.png", mask, "nose,tooth,l_brow")
    with pytest.raises(ImageError, match=r"m\.png: class 'tooth' is none of background, left_eye"):
        Masks(CLASSES).read(sample, (20, 30))


@pytest.mark.real
def test_left_and_right_of_real_faces_survive_mirroring(real_data: Path):
    """Left is the person's own, and so lies right in the picture, but for some that the set has swapped."""
    target = Masks(CELEBAMASK_HQ)
    pairs = {
        part: (CELEBAMASK_HQ.index(f"l_{part}"), CELEBAMASK_HQ.index(f"r_{part}"))
        for part in ("eye", "brow", "ear")
    }
    assert list(pairs.values()) == [(4, 5), (6, 7), (8, 9)]
    rows = celebamask_hq(real_data / "celebamask")
    assert len(rows) == 850
    own = {part: [] for part in pairs}
    for row in rows[:100]:
        sample = row.model_copy(update={"mask": str(real_data / "celebamask" / str(row.mask))})
        mask = target.read(sample, (320, 320))[:, :, 0]
        mirrored = target.mirrored(np.ascontiguousarray(mask[:, ::-1]))
        assert np.array_equal(target.mirrored(mirrored)[:, ::-1], mask)
        for part, (left, right) in pairs.items():
            if {left, right} <= set(np.unique(mask)):
                sides = [
                    bool(np.argwhere(shown == left)[:, 1].mean() > np.argwhere(shown == right)[:, 1].mean())
                    for shown in (mask, mirrored)
                ]
                assert sides[0] == sides[1]
                own[part].append(sides[0])
    assert all(len(sides) >= 20 and 0.85 < np.mean(sides) < 1 for sides in own.values())


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


def test_a_mask_without_names_is_not_merged(tmp_path):
    sample = masked(tmp_path, np.ones((20, 30), np.uint8))
    merged = Masks(("background", "face"), {"face": ("skin",)})
    with pytest.raises(ImageError, match="names no classes to merge"):
        merged.read(sample, (20, 30, 3))


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


def test_a_turned_mask_lies_over_its_turned_picture(tmp_path):
    """Blocks of a class each; where the picture is not mixed at their borders, both agree."""
    rng = np.random.default_rng(0)
    mask = cv2.resize(rng.integers(0, 3, (4, 6), np.uint8), (240, 160), interpolation=cv2.INTER_NEAREST)
    Image.fromarray(mask).save(tmp_path / "m.png")
    cv2.imwrite(str(tmp_path / "a.png"), np.repeat(mask[:, :, None] * 100, 3, 2))
    row = Sample(
        path=str(tmp_path / "a.png"), split="train", mask=str(tmp_path / "m.png"), x=60, y=30, w=100, h=100
    )
    how = Preprocessing(margins=(1.2,), size=(96, 96), resize="nearest")
    settings = {
        "views": {"student": how},
        "training": True,
        "strength": 0.0,
        "target": Masks(("a", "b", "c")),
    }
    batch = collate([FaceData([row], tilt=30, **settings)[key] for key in range(8)])
    levels = batch["views"]["student"][:, :, 0] * 255 / 100
    whole = (levels - levels.round()).abs() < 0.01
    assert 0.8 < whole.float().mean() < 0.999
    assert (levels.round() == batch["target"])[whole].float().mean() > 0.995
    plain = collate([FaceData([row], **settings)[key] for key in range(8)])
    assert not torch.equal(plain["target"], batch["target"])


def test_a_row_without_a_mask_is_put_aside(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    row = Sample(path=str(tmp_path / "a.png"), split="train", subject="s")
    batch = collate([FaceData([row], views={"student": Preprocessing()}, target=Masks(("a",)))[0]])
    assert "names no mask" in batch["failed"][0].reason
