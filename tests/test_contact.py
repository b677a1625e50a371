from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust import cli
from facetrust.contact import contact_sheet
from facetrust.data.manifest import Manifest
from facetrust.errors import ManifestError, UnknownName, UsageError
from facetrust.imaging import read_image
from facetrust.records import Sample

GREEN = (40, 200, 60)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four genuine faces of one grey each, and a manipulated one in green."""
    rows = []
    for index in range(5):
        picture = np.full((160, 200, 3), 60 + 30 * index, np.uint8)
        if index == 4:
            picture[:] = GREEN
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture)
        box = {"x": 50, "y": 30, "w": 80, "h": 100}
        rows.append(Sample(path=f"{index}.png", label=int(index == 4), split="train", **box))
    Manifest.write(rows, tmp_path / "faces.csv")
    return tmp_path / "faces.csv"


@pytest.mark.parametrize("species", ["self-blend", "digital-spoof"])
def test_a_row_is_original_mask_fake_and_real(manifest: Path, tmp_path: Path, species: str) -> None:
    out = contact_sheet(manifest, tmp_path / "new" / "sheet.png", species=species, rows=3, seed=1)
    sheet = read_image(out).astype(int)
    assert sheet.shape == (24 + 3 * 160, 4 * 160, 3)
    masks = []
    for row in range(3):
        line = sheet[24 + row * 160 : 184 + row * 160]
        original, mask, fake, real = (line[:, 160 * column : 160 * (column + 1)] for column in range(4))
        assert original.min() == original.max()
        assert original[0, 0, 0] in (60, 90, 120, 150)
        assert mask[0, 0].max() == 0
        masks.append(mask[80, 80, 0])
        outside = mask.max(2) == 0
        assert np.abs(fake - real)[outside].max() <= 4  # a joint file's blocks
    assert set(masks) <= {64, 128, 191, 255}


def test_a_seed_repeats_the_sheet_and_another_does_not(manifest: Path, tmp_path: Path) -> None:
    first, again, other = (
        contact_sheet(manifest, tmp_path / f"sheet-{number}.png", seed=seed).read_bytes()
        for number, seed in enumerate((2, 2, 3))
    )
    assert first == again != other


def test_manipulated_rows_are_left_out(manifest: Path, tmp_path: Path) -> None:
    sheet = read_image(contact_sheet(manifest, tmp_path / "sheet.png", rows=99))
    assert sheet.shape[0] == 24 + 4 * 160
    assert not (sheet == GREEN).all(2).any()


@pytest.mark.parametrize("species", ["print", "replay"])
def test_an_attack_stands_beside_its_original(manifest: Path, tmp_path: Path, species: str) -> None:
    sheet = read_image(contact_sheet(manifest, tmp_path / "sheet.png", species=species, rows=1))
    assert sheet.shape == (184, 320, 3)
    original, attack = sheet[24:, :160], sheet[24:, 160:]
    assert original.std() == 0
    assert attack.std() > 0


def test_what_cannot_be_used_is_one_line(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'self-blend'"):
        contact_sheet(manifest, tmp_path / "sheet.png", species="selfblend")
    with pytest.raises(UsageError, match=r"must end in \.png"):
        contact_sheet(manifest, tmp_path / "sheet.jpg")
    with pytest.raises(UsageError, match="rows=0"):
        contact_sheet(manifest, tmp_path / "sheet.png", rows=0)
    only = [sample for sample in Manifest.read(manifest).samples() if sample.label]
    Manifest.write(only, tmp_path / "fakes.csv")
    with pytest.raises(ManifestError, match="no genuine rows"):
        contact_sheet(tmp_path / "fakes.csv", tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_the_command_writes_it_and_says_where(manifest: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "sheet.png"
    given = ["data", "contact", str(manifest), "--species", "self-blend", "--out", str(out), "--rows", "2"]
    assert cli.main([*given, "--seed", "5"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    direct = contact_sheet(manifest, tmp_path / "direct.png", rows=2, seed=5)
    assert out.read_bytes() == direct.read_bytes()
