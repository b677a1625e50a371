"""PNG fakes against JPEG reals: the audit names it, and afterwards there is nothing left to name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.data.audit._facts import jpeg_signature
from facetrust.data.audit.audit import audit
from facetrust.data.manifest import Manifest
from facetrust.data.match_format import match_format
from facetrust.errors import ManifestError, UnknownName, UsageError
from facetrust.imaging import read_image, read_mask
from facetrust.records import Sample

RNG = np.random.default_rng(0)
FORMATS = {"label-by-type", "label-by-tables", "label-by-size", "label-by-name"}


def smooth(size: tuple[int, int]) -> np.ndarray:
    coarse = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Thirty reals as JPEG of 40 x 60 pixels, and thirty generated pictures as PNG of 48 x 48."""
    rows = []
    for number in range(60):
        label = number % 2
        path = f"{'fake' if label else 'real'}-{number}.{'png' if label else 'jpg'}"
        picture = Image.fromarray(smooth((48, 48) if label else (40, 60)))
        picture.save(tmp_path / path, **({} if label else {"quality": 70 + number % 3, "subsampling": 0}))
        split = ("train", "dev", "test")[number // 2 % 3]
        rows.append(Sample(path=path, label=label, split=split, attack="gan" if label else None))
    Manifest.write(rows, tmp_path / "mixed.csv")
    return tmp_path / "mixed.csv"


def found(manifest: Path) -> set[str]:
    return {each.code for each in audit(Manifest.read(manifest)).findings} & FORMATS


@pytest.mark.parametrize(("quality", "kind"), [(80, "JPEG"), (None, "PNG")])
def test_what_told_the_label_is_gone(mixed: Path, tmp_path: Path, quality: int | None, kind: str) -> None:
    assert {"label-by-type", "label-by-tables", "label-by-size"} <= found(mixed)
    made = match_format(mixed, tmp_path / "same.csv", size=32, quality=quality)
    assert str(made) == f"{tmp_path / 'same.csv'}: 60 pictures"
    before, after = (Manifest.read(path).samples() for path in (mixed, made.manifest))
    keep = {"path"}
    assert [row.model_dump(exclude=keep) for row in after] == [row.model_dump(exclude=keep) for row in before]
    coded = set()
    for row in after:
        with Image.open(tmp_path / row.path) as picture:
            coded.add((picture.format, picture.size, jpeg_signature(picture)))
    assert len(coded) == 1
    assert next(iter(coded))[:2] == (kind, (32, 32))
    assert found(made.manifest) == set()


def test_the_middle_is_cut_out_as_it_is_or_shrunk(mixed: Path, tmp_path: Path) -> None:
    first = Manifest.read(mixed).samples()[0]
    picture = read_image(tmp_path / first.path)
    made = match_format(mixed, tmp_path / "crop.csv", size=32, quality=None)
    cut = read_image(tmp_path / Manifest.read(made.manifest).samples()[0].path)
    assert np.array_equal(cut, picture[8:40, 8:40])
    made = match_format(mixed, tmp_path / "shrunk.csv", size=24, by="shrink", quality=None)
    shrunk = read_image(tmp_path / Manifest.read(made.manifest).samples()[0].path)
    assert np.array_equal(shrunk, np.floor(picture.reshape(24, 2, 24, 2, 3).mean((1, 3)) + 0.5))


def test_box_points_and_mask_move_along(tmp_path: Path) -> None:
    image = smooth((60, 100))
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(np.pad(np.ones((10, 10), np.uint8), ((5, 45), (75, 15)))).save(tmp_path / "a.mask.png")
    points = ((76, 6), (80, 6), (78, 9), (77, 13), (82, 13))
    row = Sample(path="a.png", label=0, split="dev", x=75, y=5, w=10, h=10, mask="a.mask.png", points=points)
    Manifest.write([row], tmp_path / "one.csv")
    made = match_format(tmp_path / "one.csv", tmp_path / "cut.csv", size=32)
    (after,) = Manifest.read(made.manifest).samples()
    # Around the box's middle, at (80, 10): from 64 on, and from the upper edge.
    assert (after.x, after.y, after.w, after.h) == (11, 5, 10, 10)
    assert after.points == tuple((x - 64, y) for x, y in points)
    mask, _ = read_mask(tmp_path / after.mask)
    assert mask[5:15, 11:21].all()
    assert mask.sum() == 100


def test_a_run_that_was_stopped_goes_on_and_others_are_not_mixed_in(mixed: Path, tmp_path: Path) -> None:
    made = match_format(mixed, tmp_path / "same.csv", size=32)
    rows = Manifest.read(made.manifest).samples()
    (tmp_path / rows[3].path).unlink()
    before = {row.path: (tmp_path / row.path).stat().st_mtime_ns for row in rows if row != rows[3]}
    made.manifest.unlink()
    match_format(mixed, tmp_path / "same.csv", size=32)
    assert Manifest.read(made.manifest).samples() == rows
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in before} == before
    with pytest.raises(UsageError, match="holds pictures made with quality 75, not 80"):
        match_format(mixed, tmp_path / "same.csv", size=32, quality=80)


def test_what_is_too_small_is_left_out_and_listed(mixed: Path, tmp_path: Path) -> None:
    made = match_format(mixed, tmp_path / "large.csv", size=44)
    assert (made.pictures, made.failed) == (30, 30)
    assert "its 60x40 pixels are fewer than 44x44; none is enlarged" in made.errors.read_text()
    with pytest.raises(ManifestError, match="none of 60 pictures can be used"):
        match_format(mixed, tmp_path / "none.csv", size=64)
    assert not (tmp_path / "none.csv").exists()


def test_settings_are_checked(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownName, match="did you mean 'shrink'"):
        match_format(mixed, tmp_path / "o.csv", size=32, by="shrnk")
    for size, quality in ((8, 90), (32, 0), (32, 101)):
        with pytest.raises(UsageError, match="size must be at least 16 and quality from 1 to 100"):
            match_format(mixed, tmp_path / "o.csv", size=size, quality=quality)
    asked = ["data", "match-format", str(mixed), "--out", str(tmp_path / "o.csv"), "--size", "32", "--png"]
    assert cli.main(asked) == 0
    assert capsys.readouterr().out.strip().endswith("60 pictures")
    assert Manifest.read(tmp_path / "o.csv").samples()[0].path == "o-pictures/000000.png"
