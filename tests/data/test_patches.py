from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust import cli
from facetrust.data.manifest import Manifest
from facetrust.data.patches import cut, patches
from facetrust.errors import UsageError
from facetrust.imaging import box_of, crop_face, read_image
from facetrust.records import Preprocessing


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A photograph of 70 x 100 pixels and a recaptured one of 20 x 30, listed as a set without faces is."""
    root = tmp_path / "set"
    root.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (70, 100, 3)), ("b.png", (20, 30, 3))):
        cv2.imwrite(str(root / name), rng.integers(0, 256, size, np.uint8))
    lines = ["path,label,split,subject,domain", "a.png,real,train,anna,anna", "b.png,recaptured,dev,bob,bob"]
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def test_patches_are_native_pixels_from_the_middle(pictures: Path) -> None:
    image = read_image(pictures / "a.png")
    found = cut(image, 32)
    assert len(found) == 6
    assert np.array_equal(found[0], image[3:35, 2:34])
    assert np.array_equal(found[5], image[35:67, 66:98])
    assert [each.shape for each in cut(read_image(pictures / "b.png"), 32)] == [(20, 20, 3)]


@pytest.mark.parametrize("fill", ["shift", "zero"])
def test_a_networks_crop_is_the_patch_itself(pictures: Path, tmp_path: Path, fill: str) -> None:
    manifest = patches(pictures, tmp_path / "p.parquet", side=32, margin=1.3)
    rows = Manifest.read(tmp_path / "p.parquet").samples()
    assert [(row.label, row.split, row.subject) for row in rows] == [(0, "train", "anna")] * 6 + [
        (1, "dev", "bob")
    ]
    assert {row.media for row in rows} == {"a.png", "b.png"}
    how = Preprocessing(margins=(1.3,), size=(32, 32), fill=fill)
    whole = cut(read_image(pictures / "a.png"), 32)
    for row, patch in zip(rows[:6], whole, strict=True):
        image = read_image(manifest.root / row.path)
        assert np.array_equal(crop_face(image, box_of(row, image), how), patch)


def test_the_command_counts_them_and_other_sizes_are_not_mixed_in(
    pictures: Path, tmp_path: Path, capsys
) -> None:
    out = str(tmp_path / "p.csv")
    given = ["data", "patches", str(pictures), "--out", out, "--side"]
    assert cli.main([*given, "32"]) == 0
    assert capsys.readouterr().out == f"{out}: 7 patches\n"
    assert cli.main([*given, "16"]) == 2
    assert "holds pictures made with side 32, not 16" in capsys.readouterr().err
    with pytest.raises(UsageError, match="a margin of 1"):
        patches(pictures, tmp_path / "q.csv", margin=0.5)
