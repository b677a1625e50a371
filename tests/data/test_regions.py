"""Faces' regions: from a row's mask, from one that lies beside its picture, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facetrust.data.dataset import FaceData
from facetrust.data.regions import check_region, face_region, mask_of
from facetrust.data.simulate import MANIPULATIONS, manipulate
from facetrust.data.simulate.contact_sheet import contact_sheet
from facetrust.data.simulate.donors import Donor
from facetrust.errors import ImageError, UnknownName, UsageError
from facetrust.imaging.pixels import CLASS_NAMES
from facetrust.records import Preprocessing, Sample

CLASSES = ("background", "nose", "skin", "hair")
BOX = (40.0, 30.0, 80.0, 100.0)
POINTS = [(63.0, 72.0), (97.0, 72.0), (80.0, 92.0), (66.0, 110.0), (94.0, 110.0)]


def write_mask(path: Path, names: tuple[str, ...] = CLASSES, size: tuple[int, int] = (160, 160)) -> Path:
    """Skin in a square that no outline of a face has, hair right of it, a nose in its corner."""
    mask = np.zeros(size, np.uint8)
    mask[50:110, 50:90], mask[50:60, 50:60], mask[50:110, 90:120] = 2, 1, 3
    text = PngInfo()
    text.add_text(CLASS_NAMES, ",".join(names))
    Image.fromarray(mask).save(path, pnginfo=text if names else None)
    return path


@pytest.fixture
def row(tmp_path: Path) -> Sample:
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.b.png")
    box = dict(zip("xywh", BOX, strict=True))
    mask = str(write_mask(tmp_path / "a.b.mask.png"))
    return Sample(path=str(tmp_path / "a.b.png"), label=0, split="train", points=POINTS, mask=mask, **box)


def test_a_region_is_the_classes_pixels(row):
    region = face_region(row, (160, 160, 3), ("skin", "nose", "lip"))
    assert region.sum() == 60 * 40
    assert region[50:110, 50:90].all()
    assert face_region(row, (160, 160, 3), ("nose",)).sum() == 100


def test_a_mask_that_lies_beside_the_picture_is_taken_where_the_row_names_none(row, tmp_path):
    bare = row.model_copy(update={"mask": None})
    assert mask_of(bare) is None
    assert face_region(bare, (160, 160, 3), ("skin",)) is None
    write_mask(tmp_path / "a.b.parts.png")
    assert mask_of(bare) == tmp_path / "a.b.parts.png"
    assert face_region(bare, (160, 160, 3), ("hair",)).sum() == 60 * 30


def test_what_cannot_be_used_is_named(row, tmp_path):
    with pytest.raises(UsageError, match="no row has a mask"):
        check_region([row.model_copy(update={"mask": None})], ("skin",))
    with pytest.raises(UnknownName, match=r"'skim'.*skin"):
        check_region([row], ("skim",))
    with pytest.raises(ImageError, match=r"is \(160, 160\), its picture \(80, 90\)"):
        face_region(row, (80, 90, 3), ("skin",))
    with pytest.raises(ImageError, match="names none of lip; its classes: background, nose"):
        face_region(row, (160, 160, 3), ("lip",))
    unnamed = row.model_copy(update={"mask": str(write_mask(tmp_path / "m.png", ()))})
    with pytest.raises(ImageError, match="its classes: none"):
        face_region(unnamed, (160, 160, 3), ("skin",))


@pytest.mark.parametrize(
    "species", [name for name in MANIPULATIONS if name not in ("part-swap", "reconstruction", "decoded")]
)
def test_every_manipulation_of_a_face_stays_within_its_region(row, species):
    """The mask's middle is the region's, and it reaches no further than a bend and a move carry it."""
    image = np.asarray(Image.open(row.path))
    region = face_region(row, image.shape, ("skin", "nose"))
    around = np.zeros_like(region)
    around[25:135, 25:115] = True
    donor = Donor(image[::-1].copy(), POINTS)
    for seed in range(4):
        drawn = {"species": species, "points": POINTS, "donor": donor}
        within = manipulate(image, BOX, rng=np.random.default_rng(seed), region=region, **drawn).mask
        outline = manipulate(image, BOX, rng=np.random.default_rng(seed), **drawn).mask
        assert within.max() > 0
        assert not within[~around].any()
        assert not np.array_equal(within, outline)
        rows, columns = np.nonzero(within > within.max() / 2)
        assert np.hypot(rows.mean() - 79.5, columns.mean() - 69.5) < 12


def test_blends_in_training_are_bounded_by_the_mask(row):
    settings = {"pairs": True, "masks": True, "species": ("self-blend",), "seed": 3}
    how = {"student": Preprocessing(margins=(1.0,), size=(80, 80))}
    masks = {}
    for region in ((), ("skin", "nose")):
        data = FaceData([row], views=how, region=region, **settings)
        masks[region] = np.stack([data[epoch]["mask"].numpy().max(0) for epoch in (1, 3, 5)])
        assert masks[region].max(axis=(1, 2)).min() > 0.2
    covered = {region: (each > 0.1).mean() for region, each in masks.items()}
    assert covered["skin", "nose"] < 0.8 * covered[()]
    with pytest.raises(UnknownName, match="'skim'"):
        FaceData([row], views=how, region=("skim",), **settings)


def test_a_contact_sheet_shows_the_region(row, tmp_path):
    from facetrust.data.manifest import Manifest

    Manifest.write([row.model_copy(update={"path": "a.b.png", "mask": "a.b.mask.png"})], tmp_path / "m.csv")
    sheets = [
        contact_sheet(tmp_path / "m.csv", tmp_path / f"{len(region)}.png", rows=2, region=region).read_bytes()
        for region in ((), ("skin", "nose"))
    ]
    assert sheets[0] != sheets[1]
