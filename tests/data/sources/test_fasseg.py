from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.fasseg import fasseg
from facetrust.errors import ManifestError

STEMS = ["frontal02/{}/images/1.jpg", "multipose01/{}/-30/images/personne08146+0-30.jpg"]
TRAIN, TEST = ([stem.format(split) for stem in STEMS] for split in ("train", "test"))
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
