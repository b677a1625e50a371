"""The benchmark that trains generators: shapes, sizes, and a few steps from pictures to pictures."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from facetrust.errors import InputError

torch = pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture(scope="module")
def generators(benchmark) -> ModuleType:
    return benchmark("generators")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures, one of them wide, and a text."""
    (tmp_path / "REAL").mkdir()
    rng = np.random.default_rng(0)
    for n in range(5):
        pixels = rng.integers(0, 256, (64, 80 if n else 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "REAL" / f"{n}.png")
    (tmp_path / "REAL" / "notes.txt").write_text("no picture")
    return tmp_path / "REAL"


def test_photographs_are_the_middle_squares_shrunk(generators, folder):
    photos = generators.photographs(folder)
    assert photos.shape == (5, 3, 32, 32)
    whole = np.asarray(Image.open(folder / "1.png"), np.float64)[:, 8:72]
    wanted = whole.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs((photos[1].permute(1, 2, 0).numpy() + 1) * 127.5 - wanted).max() <= 0.51
    for path in folder.glob("[1-4].png"):
        path.unlink()
    with pytest.raises(InputError, match="holds 1 pictures"):
        generators.photographs(folder)


def test_the_two_nets_fit_each_other(generators):
    makes, doubts = generators.generator(), generators.discriminator()
    assert makes(torch.randn(2, 100, 1, 1)).shape == (2, 3, 32, 32)
    assert doubts(torch.rand(2, 3, 32, 32)).shape == (2, 1, 1, 1)
    assert sum(value.numel() for value in makes.parameters()) == 1_068_931


@pytest.mark.parametrize("kind", ["dcgan", "ddpm"])
def test_pictures_are_written_and_a_seed_repeats_them(generators, folder, tmp_path, monkeypatch, kind):
    if kind == "ddpm":
        pytest.importorskip("diffusers", reason="diffusers is not installed")
        monkeypatch.setattr(generators, "DRAWN_IN", 2)
    monkeypatch.setattr(generators, "WIDTH", 32)
    runs = []
    for number in range(2):
        out = tmp_path / f"out-{number}"
        settings = ["--steps", "1", "--count", "3", "--batch", "2"]
        generators.main([kind, str(folder), "--out", str(out), *settings])
        runs.append([np.asarray(Image.open(path)) for path in sorted(out.iterdir())])
    assert [each.shape for each in runs[0]] == [(32, 32, 3)] * 3
    assert np.array_equal(runs[0], runs[1])
    assert np.stack(runs[0]).std() > 1
