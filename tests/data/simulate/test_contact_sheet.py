from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust import cli
from facetrust.data.manifest import Manifest
from facetrust.data.simulate import simulate
from facetrust.data.simulate.contact_sheet import Range, contact_sheet, statistics
from facetrust.data.simulate.statistics import MEANINGS
from facetrust.errors import ManifestError, UnknownName, UsageError
from facetrust.imaging import crop_face, read_image
from facetrust.records import Preprocessing, Sample

GREEN = (40, 200, 60)
BOX = (50, 30, 80, 100)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four genuine faces of one grey each, and a manipulated one in green."""
    rows = []
    for index in range(5):
        picture = np.full((160, 200, 3), 60 + 30 * index, np.uint8)
        if index == 4:
            picture[:] = GREEN
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture)
        box = dict(zip("xywh", BOX, strict=True))
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
        assert np.abs(fake - real)[outside].max() <= 1  # the cells' pixels lie between the picture's
    assert set(masks) <= {64, 128, 191, 255}


def test_a_seed_repeats_the_sheet_and_another_does_not(manifest: Path, tmp_path: Path) -> None:
    first, again, other = (
        contact_sheet(manifest, tmp_path / f"sheet-{number}.png", seed=seed).read_bytes()
        for number, seed in enumerate((2, 2, 3))
    )
    assert first == again != other


def test_a_blend_on_the_sheet_is_one_that_simulate_makes(manifest: Path, tmp_path: Path) -> None:
    sheet = read_image(contact_sheet(manifest, tmp_path / "sheet.png", rows=1, seed=4))
    grey = int(sheet[30, 5, 0])
    picture = np.full((160, 200, 3), grey, np.uint8)
    fake = simulate(picture, BOX, species="self-blend", rng=np.random.default_rng([4, 0]))
    assert np.array_equal(
        sheet[24:, 320:480], crop_face(fake, BOX, Preprocessing(margins=(1.6,), size=(160, 160)))
    )


def test_manipulated_rows_are_left_out_and_faces_come_again(manifest: Path, tmp_path: Path) -> None:
    sheet = read_image(contact_sheet(manifest, tmp_path / "sheet.png", rows=9))
    assert sheet.shape[0] == 24 + 9 * 160
    assert not (sheet == GREEN).all(2).any()
    lines = [sheet[24 + row * 160 : 184 + row * 160] for row in range(9)]
    greys = [int(line[5, 5, 0]) for line in lines]
    assert {greys.count(grey) for grey in (60, 90, 120, 150)} == {2, 3}
    masks = {line[:, 160:320].tobytes() for line in lines}
    assert len(masks) == 9, "a face that comes again is blended anew"


@pytest.mark.parametrize("species", ["print", "replay"])
def test_an_attack_stands_beside_its_original_and_the_live_face_by_such_a_camera(
    manifest: Path, tmp_path: Path, species: str
) -> None:
    sheet = read_image(contact_sheet(manifest, tmp_path / "sheet.png", species=species, rows=1))
    assert sheet.shape == (184, 480, 3)
    original, live, attack = np.split(sheet[24:], 3, axis=1)
    assert original.std() == 0
    assert live.std() > 0
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
    with pytest.raises(UsageError, match="print: has no mask; statistics are of self-blend or digital-spoof"):
        statistics(manifest, species="print")
    with pytest.raises(UnknownName, match="did you mean 'digital-spoof'"):
        statistics(manifest, species="digital")
    with pytest.raises(UsageError, match="count=0"):
        statistics(manifest, count=0)


def test_statistics_of_even_faces(manifest: Path) -> None:
    """A grey face is changed by a shift of its levels alone; 40 blends of four faces."""
    found = statistics(manifest, count=40, seed=2)
    assert list(found) == list(MEANINGS)
    assert found["outside"] == (0, 0, 0)
    assert all(low <= median <= high for median, low, high in found.values())
    assert found["strength"].low == pytest.approx(0.25, abs=0.01)
    assert found["strength"].high == pytest.approx(1, abs=0.001)
    assert 0.2 < found["area"].low < 0.42 < found["area"].median < 0.52 < found["area"].high < 0.69
    assert 0 < found["inside"].median < 25
    assert 0 < found["around"].high < 60
    assert found == statistics(manifest, count=40, seed=2) != statistics(manifest, count=40, seed=3)


def test_statistics_of_one_blend_are_that_blend(manifest: Path) -> None:
    for name, range_ in statistics(manifest, species="digital-spoof", count=1, seed=1).items():
        assert range_ == Range(range_.low, range_.low, range_.low), name


def test_the_command_prints_statistics(manifest: Path, tmp_path: Path, capsys) -> None:
    given = ["data", "contact", str(manifest), "--out", str(tmp_path / "s.png"), "--statistics", "12"]
    assert cli.main(given) == 0
    first, header, *lines = capsys.readouterr().out.splitlines()
    assert first == str(tmp_path / "s.png")
    assert header.split() == ["12", "of", "self-blend", "median", "5", "%", "95", "%"]
    wanted = statistics(manifest, count=12)
    assert {line.split()[0]: tuple(line.split()[1:4]) for line in lines} == {
        name: tuple(f"{value:.2f}" for value in range_) for name, range_ in wanted.items()
    }
    (tmp_path / "s.png").unlink()
    assert cli.main([*given, "--species", "replay"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "s.png").exists()


def test_the_command_writes_it_and_says_where(manifest: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "sheet.png"
    given = ["data", "contact", str(manifest), "--species", "self-blend", "--out", str(out), "--rows", "2"]
    assert cli.main([*given, "--seed", "5"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    direct = contact_sheet(manifest, tmp_path / "direct.png", rows=2, seed=5)
    assert out.read_bytes() == direct.read_bytes()
