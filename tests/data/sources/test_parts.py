"""The sources of face parts: masks are merged as their authors say, classes are known by name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facetrust.data.sources import celebamask_hq, helen, lapa
from facetrust.errors import ManifestError


def painted(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values)


def bars(*columns: int) -> np.ndarray:
    """An 8 x 8 part that is white in some of its columns."""
    part = np.zeros((8, 8), np.uint8)
    part[:, list(columns)] = 255
    return part


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Two pictures of 16 x 16 pixels; a hat lies over hair, hair over skin."""
    root = tmp_path / "hq"
    lines = ["idx orig_idx orig_file"]
    for number, index in ((7, 162770), (2001, 182637), (2002, 182638)):
        painted(root / "CelebA-HQ-img" / f"{number}.jpg", np.zeros((16, 16, 3), np.uint8))
        parts = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        painted(parts / f"{number:05d}_skin.png", bars(0, 1, 2, 3))
        painted(parts / f"{number:05d}_hat.png", bars(3, 4))
        painted(parts / f"{number:05d}_hair.png", bars(2, 3))
        lines.append(f"{number} {index} {index + 1:06d}.jpg")
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(lines) + "\n")
    return root


class TestCelebAMaskHq:
    def test_the_classes_are_the_nineteen_in_their_order(self):
        names = celebamask_hq.CLASSES
        assert len(names) == len(set(names)) == 19
        wanted = {0: "background", 1: "skin", 3: "eye_g", 4: "l_eye", 10: "mouth", 13: "hair", 18: "cloth"}
        assert {index: names[index] for index in wanted} == wanted

    def test_parts_are_painted_in_the_order_of_the_classes_at_the_pictures_size(self, official):
        row = celebamask_hq.celebamask_hq(official)[0]
        with Image.open(official / str(row.mask)) as mask:
            values = np.asarray(mask)
        assert values.shape == (16, 16)
        names = [celebamask_hq.CLASSES[index] for index in values[5, ::2]]
        assert names == ["skin", "skin", "hair", "hat", "hat", *["background"] * 3]

    def test_the_split_is_that_of_the_picture_in_celeba(self, official):
        rows = celebamask_hq.celebamask_hq(official)
        assert {row.path: row.split for row in rows} == {
            "CelebA-HQ-img/7.jpg": "train",
            "CelebA-HQ-img/2001.jpg": "dev",
            "CelebA-HQ-img/2002.jpg": "test",
        }
        edges = (0, 162770, 162771, 182637, 182638)
        assert [celebamask_hq.split_of(x) for x in edges] == ["train", "train", "dev", "dev", "test"]

    def test_merged_masks_are_kept(self, official):
        mask = official / str(celebamask_hq.celebamask_hq(official)[0].mask)
        Image.fromarray(np.full((16, 16), 5, np.uint8)).save(mask)
        celebamask_hq.celebamask_hq(official)
        with Image.open(mask) as kept:
            assert np.asarray(kept).min() == 5

    def test_what_is_missing_is_named(self, official):
        for part in ("skin", "hair", "hat"):
            (official / "CelebAMask-HQ-mask-anno" / "0" / f"00007_{part}.png").unlink()
        with pytest.raises(ManifestError, match=r"00007_skin\.png: no mask of picture 7"):
            celebamask_hq.celebamask_hq(official)
        (official / "CelebA-HQ-img" / "7.jpg").rename(official / "CelebA-HQ-img" / "9.jpg")
        with pytest.raises(ManifestError, match=r"9\.jpg: is not named in"):
            celebamask_hq.celebamask_hq(official)

    def merged(self, root: Path, classes: list[str]) -> Path:
        for kind in ("images", "masks"):
            painted(root / kind / "a.png", np.zeros((8, 8), np.uint8))
        lines = [f"{index},{name}" for index, name in enumerate(classes)]
        (root / "classes.csv").write_text("\n".join(["index,name", *lines]) + "\n")
        (root / "manifest.csv").write_text("path,mask,split,skin\nimages/a.png,masks/a.png,dev,0.5\n")
        return root

    def test_the_merged_layout_keeps_its_splits(self, tmp_path):
        (row,) = celebamask_hq.celebamask_hq(self.merged(tmp_path, list(celebamask_hq.CLASSES)))
        assert (row.path, row.mask, row.split) == ("images/a.png", "masks/a.png", "dev")
        (tmp_path / "masks" / "a.png").unlink()
        with pytest.raises(ManifestError, match=r"masks/a\.png: a picture of the list is missing"):
            celebamask_hq.celebamask_hq(tmp_path)

    def test_the_merged_layout_in_another_order_is_refused(self, tmp_path):
        with pytest.raises(ManifestError, match="not CelebAMask-HQ's in their order"):
            celebamask_hq.celebamask_hq(self.merged(tmp_path, list(celebamask_hq.CLASSES[::-1])))


def test_helen_takes_the_class_of_the_highest_degree(tmp_path):
    root = tmp_path
    painted(root / "images" / "a.jpg", np.zeros((8, 8, 3), np.uint8))
    for index in range(11):
        degree = {0: 100, 1: bars(0, 1) // 2, 10: bars(1, 2)}.get(index, 0)
        painted(root / "labels" / "a" / f"a_lbl{index:02d}.png", np.zeros((8, 8), np.uint8) + degree)
    for listed in ("exemplars.txt", "tuning.txt", "testing.txt"):
        (root / listed).write_text("1 , a\n" if listed == "tuning.txt" else "\n")
    (row,) = helen.helen(root)
    with Image.open(root / str(row.mask)) as mask:
        names = [helen.CLASSES[index] for index in np.asarray(mask)[0, :4]]
    assert names == ["skin", "hair", "hair", "background"]
    assert (row.path, row.split) == ("images/a.jpg", "dev")


def test_lapa_has_its_official_split(tmp_path):
    for part in ("train", "val", "test"):
        painted(tmp_path / part / "images" / f"{part}.jpg", np.zeros((8, 8, 3), np.uint8))
        painted(tmp_path / part / "labels" / f"{part}.png", np.zeros((8, 8), np.uint8))
    rows = lapa.lapa(tmp_path)
    assert [(row.path, row.split) for row in rows] == [
        ("test/images/test.jpg", "test"),
        ("train/images/train.jpg", "train"),
        ("val/images/val.jpg", "dev"),
    ]


def test_classes_that_two_sets_share_have_one_name():
    assert set(lapa.CLASSES) == set(helen.CLASSES)
    assert set(lapa.CLASSES) < set(celebamask_hq.CLASSES)
