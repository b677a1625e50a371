"""A full disk: one line that names file and cause, and what was whole before stays whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from facetrust import cli
from facetrust.data.manifest import Manifest
from facetrust.records import Sample
from facetrust.training.teacher_cache import TeacherCache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="disks are mounted as Linux does")

FULL = "No space left on device"
RECIPE = """
task: antispoof
model: {name: timm/test_convnext}
preprocessing: {margins: [1.2], size: [32, 32]}
data: {manifests: [faces.csv], length: 8}
trainer: {epochs: 3, batch_size: 4, workers: 0, flags: {enable_progress_bar: false}}
"""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """A function that gives a disk of some size, or makes it as large; temporary files lie on another."""
    place = tmp_path / "disk"
    (place.parent / "temporary").mkdir()
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place.parent / "temporary"))
    monkeypatch.chdir(tmp_path)

    def of_size(size: str) -> Path:
        again = "remount," if place.is_mount() else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{again}size={size}", "none", str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no small disk can be made here; it takes the rights to mount one")
        return place

    yield of_size
    if place.is_mount():
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def faces(tmp_path: Path, photo: Path) -> Path:
    """A manifest of 24 pictures with boxes, in three splits."""
    face = Image.open(photo).crop((140, 40, 300, 200))
    rows = []
    for n in range(24):
        face.point(lambda value, n=n: value * (1 + n % 2) // 2).save(tmp_path / f"{n}.png")
        split = ("train", "dev")[n >= 16]
        rows.append(
            Sample(path=f"{n}.png", label=n % 2, split=split, subject=f"s{n}", x=40, y=20, w=90, h=110)
        )
    Manifest.write(rows, tmp_path / "faces.csv")
    return tmp_path / "faces.csv"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def last_line(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return err.splitlines()[-1]


def test_training_keeps_its_last_whole_checkpoint_and_goes_on_from_it(disk, faces, tmp_path, capfd) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    small = disk("6m")  # One checkpoint of 3.5 MB and the weights, but not two.
    assert cli.main(["train", "recipe.yaml", "--out", "disk/run"]) == 2
    last = small / "run" / "checkpoints" / "last.ckpt"
    assert last_line(capfd) == f"facetrust: {last}: {FULL}"
    assert torch.load(last, weights_only=True)["epoch"] == 0
    assert files(last.parent) == ["best.safetensors", "last.ckpt"]
    assert files(tmp_path / "temporary") == []
    disk("64m")
    assert cli.main(["train", "recipe.yaml", "--out", "disk/run", "--resume"]) == 0
    assert cli.main(["train", "recipe.yaml", "--out", "whole"]) == 0
    for name in ("model.safetensors", "card.json"):
        assert (small / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(("size", "name"), [("1m", "/checkpoints/last.ckpt"), ("8k", "")])
def test_training_names_a_disk_that_holds_no_checkpoint(disk, faces, tmp_path, capfd, size, name) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    disk(size)
    assert cli.main(["train", "recipe.yaml", "--out", "disk/run"]) == 2
    said = last_line(capfd)
    assert said.startswith("facetrust: ")
    assert said.endswith(f"disk/run{name}: {FULL}")


def test_teachers_answers_on_a_full_disk_are_an_error_and_no_signal(disk) -> None:
    cache = TeacherCache(disk("64k") / "taught", 500)
    with pytest.raises(OSError, match=FULL) as caught:
        cache.write(np.arange(100), {"logit": torch.ones(100, 1000)})
    assert caught.value.filename == str(cache.folder / "logit.npy")
    assert len(TeacherCache(cache.folder, 500).missing(range(500))) == 500


def test_preparing_names_the_crop_and_goes_on_where_there_is_room(disk, faces, tmp_path, capfd) -> None:
    for n in range(24):
        place = tmp_path / "set" / ("live", "attack")[n % 2] / f"s{n}"
        place.mkdir(parents=True)
        shutil.copy(tmp_path / f"{n}.png", place / "a.png")
    small = disk("200k")
    asked = ["data", "prepare", "folder", "set", "--out", "disk/m.parquet"]
    assert cli.main(asked) == 2
    said = last_line(capfd)
    assert said.startswith("facetrust: disk/m-faces/")
    assert said.endswith(f"/a.png.png: {FULL}")
    made = [path for path in small.rglob("*.png") if np.asarray(Image.open(path)).size]
    assert 0 < len(made) < 24
    before = {path: path.stat().st_mtime_ns for path in made}
    disk("8m")
    assert cli.main(asked) == 0
    assert len(Manifest.read(small / "m.parquet")) == 24
    assert {path: path.stat().st_mtime_ns for path in made} == before


def test_simulating_names_the_picture(disk, faces, capfd) -> None:
    small = disk("200k")
    asked = ["data", "simulate", "faces.csv", "--copies", "3", "--out", "disk/s.parquet"]
    assert cli.main(asked) == 2
    said = last_line(capfd)
    assert said.startswith("facetrust: disk/s/")
    assert said.endswith(f".png: {FULL}")
    assert all(np.asarray(Image.open(path)).size for path in small.rglob("*.png"))
    assert not (small / "s.parquet").exists()
    disk("8m")
    assert cli.main(asked) == 0
    assert len(Manifest.read(small / "s.parquet")) == 3 * 12


def test_scanning_names_the_part_and_goes_on_where_there_is_room(
    disk, faces, tmp_path, bright_model, capfd
) -> None:
    small = disk("24k")  # The list, the settings, the manifest, and one part of three, but not two.
    asked = ["scan", "faces.csv", "--out", "disk/scan", "--task", "antispoof", "--model", str(bright_model)]
    assert cli.main([*asked, "--workers", "1"]) == 2
    assert re.fullmatch(f"facetrust: {small}/scan/parts/00000[12].parquet: {FULL}", last_line(capfd))
    (part,) = small.rglob("*.parquet")
    made = part.stat().st_mtime_ns
    disk("8m")
    assert cli.main([*asked, "--workers", "1"]) == 0
    assert part.stat().st_mtime_ns == made
    rows = pl.concat(pl.read_parquet(path) for path in sorted(small.rglob("*.parquet")))
    assert sorted(set(rows["input"])) == list(range(24))
    assert rows.filter(kind="failure").is_empty()
    assert [path.name for path in small.rglob(".*") if path.is_file()] == [".lock"]


def test_checking_loses_no_verdict_and_its_status_is_theirs(disk, photo, capfd) -> None:
    disk("100k")
    asked = ["check", str(photo), "--task", "antispoof", "--csv"]
    status = cli.main(asked)
    verdicts = capfd.readouterr().out
    assert cli.main([*asked, "--evidence", "disk/maps"]) == status == 0
    out, err = capfd.readouterr()
    assert out == verdicts
    assert err == (
        "facetrust: disk/maps/astronaut.evidence.png: cannot be written (No space left on device); "
        "give another folder\n"
    )
