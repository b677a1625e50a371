"""The benchmarks of maps and of file formats on planted facts."""

from __future__ import annotations

import io
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from facetrust.imaging.crop import window_of
from facetrust.records import ModelCard, Preprocessing, Sample

pytest.importorskip("torch", reason="torch is not installed")
NATIVE = Preprocessing(align="native", margins=(1.0,) * 4, size=(32, 32))


@pytest.fixture
def rng() -> np.random.Generator:
    """The same draws for a test, whichever ran before."""
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def faithfulness(benchmark) -> ModuleType:
    return benchmark("faithfulness")


@pytest.fixture(scope="module")
def formats(benchmark) -> ModuleType:
    return benchmark("format_gain")


def test_a_square_is_pasted_into_one_window_and_nowhere_else(faithfulness, tmp_path):
    rows = []
    for name, level in (("real", 40), ("fake", 200)):
        Image.fromarray(np.full((80, 96, 3), level, np.uint8)).save(tmp_path / f"{name}.png")
        rows.append(Sample(path=str(tmp_path / f"{name}.png"), label=int(name == "fake"), split="dev"))
    card = ModelCard(name="m", task="t", architecture="a", preprocessing=NATIVE, score_means="s")
    seen = set()
    for case in faithfulness.pastes(rows[:1] * 12, rows[1:], NATIVE):
        changed = (case.image != 40).any(2)
        assert changed.any()
        assert not (changed & ~case.mask).any()
        assert case.mask.sum() == 16 * 16
        x, y, w, h = (round(side) for side in window_of(case.image.shape, case.box, NATIVE, crop=case.crop))
        assert case.mask[y : y + h, x : x + w].sum() == 16 * 16
        mask = faithfulness.mask_of(case, card)
        assert mask.mean() == 0.25
        crop = faithfulness.crop_of(case, card)
        assert crop[0][mask].mean() > crop[0][~mask].max()
        assert mask[:16, :16].mean() + mask[16:, :16].mean() in (0, 1)
        seen.add((case.crop, int(mask.argmax())))
    assert len(seen) > 4


def test_a_perfect_map_hits_and_makes_the_score_fall_earlier_than_a_random_one(faithfulness, rng):
    crops = rng.random((6, 3, 16, 16)).astype(np.float32)
    masks = np.zeros((6, 16, 16), bool)
    for number in range(6):
        row, column = divmod(number, 3)
        masks[number, 8 * row : 8 * row + 4, 5 * column : 5 * column + 4] = True
    crops += 4 * masks[:, None]

    def brightness(images):
        return images.astype(np.float64).sum((1, 2, 3)) / 100

    areas = faithfulness.areas_of(crops, brightness)
    perfect, none = masks.astype(np.float32), np.zeros((6, 16, 16), np.float32)
    found = faithfulness.measured(
        perfect, crops, masks, areas, none + rng.random((6, 16, 16)).astype(np.float32)
    )
    assert found.hit.tolist() == [1] * 6
    assert found.elsewhere.tolist() == [0] * 6
    assert found.chance == pytest.approx(16 / 256)
    assert found.deletion.max() < 0 < found.insertion.min()
    assert abs(found.stays.mean()) < 0.2
    opposite = faithfulness.measured(-perfect, crops, masks, areas, none)
    assert opposite.hit.tolist() == [0] * 6
    assert opposite.deletion.min() > 0
    assert opposite.stays.size == 0  # A flat map has no ranks.


def test_blocks_of_jpeg_are_seen(formats, rng):
    noise = rng.integers(90, 166, (32, 32, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).save(content, "JPEG", quality=10)
    assert formats.blockiness(np.asarray(Image.open(content))) < formats.blockiness(noise)
    blocks = np.kron(rng.integers(0, 256, (4, 4), dtype=np.uint8), np.ones((8, 8), np.uint8))
    assert formats.blockiness(np.repeat(blocks[:, :, None], 3, axis=2)) < -10


def test_what_was_coded_before_hardly_changes(formats, rng):
    coarse = np.repeat(rng.integers(60, 200, (8, 8, 1), dtype=np.uint8), 3, axis=2)
    picture = np.asarray(Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC))
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=75, subsampling=2)
    assert formats.change(np.asarray(Image.open(content)), 75) < 0.5 * formats.change(picture, 75)


def test_a_picture_and_its_other_coding_lie_in_one_fold(formats, tmp_path):
    for folder in ("png/ddpm", "jpg/ddpm"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(3):
            kind = folder[:3]
            Image.fromarray(np.full((32, 32, 3), 40 * number, np.uint8)).save(
                tmp_path / folder / f"{number}.{kind}"
            )
    ours, others = (formats.pictures(tmp_path / kind, 3) for kind in ("png", "jpg"))
    formats.listed(ours, others, tmp_path / "pair.csv")
    from facetrust.data.manifest import Manifest

    media = [row.media for row in Manifest.read(tmp_path / "pair.csv").samples()]
    assert sorted(media) == sorted([f"ddpm/{number}" for number in range(3)] * 2)
