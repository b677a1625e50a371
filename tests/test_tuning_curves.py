"""The benchmark that draws reward tuning, on planted logs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from facetrust.errors import InputError
from facetrust.training.recipe import load_recipe

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def curves(benchmark) -> ModuleType:
    return benchmark("tuning_curves")


def write_log(run: Path, columns: list[str], rows: list[list[object]], version: int = 0) -> None:
    folder = run / "log" / f"version_{version}"
    folder.mkdir(parents=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    (folder / "metrics.csv").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two epochs, resumed after the first, that began with one whose best epoch had 0.5."""
    write_log(tmp_path / "begun", ["dev/mean-f1", "epoch"], [[0.4, 0], [0.5, 1], [0.45, 2]])
    made = tmp_path / "tuned"
    columns = ["dev/mean-f1", "epoch", "train/reward_epoch", "train/cross-entropy_epoch"]
    write_log(made, columns, [[0.48, 0, "", ""], ["", 0, 0.6, 0.2], [0.9, 1, "", ""]])
    write_log(made, columns, [[0.53, 1, "", ""], ["", 1, 0.7, 0.1]], version=10)
    recipe = load_recipe("parsing/tiny-reward", ["model.begin=elsewhere/begun", "seed=3"])
    (made / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    return made


def test_curves_are_those_of_the_log_and_the_start_is_the_best_of_the_run_begun_with(curves, run):
    read = curves.read_run(run, figure="mean-f1", loss="cross-entropy")
    assert read == curves.Curves(
        "tiny-reward", 3, reward={1: 0.6, 2: 0.7}, figure={1: 0.48, 2: 0.53}, loss={1: 0.2, 2: 0.1}, start=0.5
    )
    assert curves.row_of(read).split() == ["tiny-reward", "3", "2", "2", "0.5300", "0.5000", "+0.0300"]


def test_it_is_drawn_and_a_run_whose_start_is_not_here_too(curves, run, tmp_path, monkeypatch, capsys):
    (tmp_path / "begun").rename(tmp_path / "gone")
    monkeypatch.setattr(sys, "argv", ["x", str(run), "--out", str(tmp_path / "out.png")])
    curves.main()
    assert capsys.readouterr().out.splitlines()[1].split() == ["tiny-reward", "3", "2", "2", "0.5300"]
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (1155, 374)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 50


def test_a_log_without_the_figure_is_named(curves, run):
    with pytest.raises(InputError, match="no epoch with dev/auc"):
        curves.read_run(run, figure="auc", loss="cross-entropy")
    (run / "log").rename(run / "gone")
    with pytest.raises(InputError, match="has no log"):
        curves.read_run(run, figure="mean-f1", loss="cross-entropy")
