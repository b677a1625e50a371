from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.fasseg import COPIES, fasseg
from facetrust.errors import ManifestError

SPLITS = ("train", "test")
STEMS = ["frontal02/{}/images/1.jpg", "multipose01/{}/-30/images/personne08146+0-30.jpg"]
TRAIN, TEST = ([stem.format(split) for stem in STEMS] for split in SPLITS)
MASKS = [name.replace("images", "masks").replace("jpg", "png") for name in TRAIN + TEST]


def test_pictures_masks_and_the_official_split(plant: Callable[..., Path]) -> None:
    rows = fasseg(plant(*TRAIN, *TEST, *MASKS))
    assert [row.path for row in rows] == sorted(TRAIN + TEST)
    assert all(row.split == row.path.split("/")[1] for row in rows)
    assert sorted(row.mask or "" for row in rows) == sorted(MASKS)
    assert [row.subject for row in rows] == [None, None, "fasseg-personne08", "fasseg-personne08"]


def test_what_is_missing_is_named(plant: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        fasseg(tmp_path / "none")
    root = plant("README.md")
    with pytest.raises(ManifestError, match="holds no pictures"):
        fasseg(root)
    plant(*TRAIN, *MASKS[1:])
    with pytest.raises(ManifestError, match=r"masks/1\.png: a mask is missing"):
        fasseg(root)


def test_the_copies_among_the_train_pictures_are_left_out(plant: Callable[..., Path]) -> None:
    names = [f"frontal02/train/images/{n}.jpg" for n in (*range(13, 22), 44)]
    names += [f"frontal02/test/images/{n}.jpg" for n in range(13, 22)]
    masks = [name.replace("images", "masks").replace("jpg", "png") for name in names]
    root = plant(*names, *masks)
    kept = [Path(row.path).stem for row in fasseg(root) if row.split == "train"]
    assert kept == ["13", "14", "21", "44"]
    assert len([row for row in fasseg(root) if row.split == "test"]) == 9
    assert len(fasseg(root, copies=True)) == len(names)


@pytest.mark.real
def test_no_train_picture_of_the_real_set_is_a_copy_of_a_test_picture(real_data: Path) -> None:
    root = real_data / "fasseg"
    rows = fasseg(root)
    assert len(rows) == 344 - 6
    content = {
        split: [(root / row.path).read_bytes() for row in rows if row.split == split] for split in SPLITS
    }
    assert not set(content["train"]) & set(content["test"])
    for train, test in COPIES.items():
        one, other = (
            root / f"frontal02/{split}/images/{stem}.jpg"
            for split, stem in (("train", train), ("test", test))
        )
        assert one.read_bytes() == other.read_bytes()
