"""The benchmark of training still measures training."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from facetrust.data import batches
from facetrust.training.recipe import load_recipe


@pytest.fixture(scope="module")
def speed(benchmark) -> ModuleType:
    return benchmark("training_speed")


def test_every_stage_and_every_turn_takes_its_time(speed: ModuleType, tmp_path: Path, capsys: Any) -> None:
    settings = {
        "data.manifests": [str(speed.noise(tmp_path, 80))],
        "data.length": "null",
        "data.shares": {},
        "model": {"name": "timm/mobilenetv4_conv_small_035", "settings": {"stage": 2}},
        "preprocessing": {"size": [32, 32]},
        "trainer": {
            "epochs": 2, "batch_size": 8, "workers": 0, "flags": {"enable_progress_bar": False},
        },
    }  # fmt: skip
    recipe = load_recipe(
        "antispoof/student-nuaa-plain", [f"{key}={value}" for key, value in settings.items()]
    )
    found = speed.turn(recipe, tmp_path / "runs", 16)
    assert set(found) == {
        "read", "decode", "simulate", "augment", "crop", "tensor", "collate", "rest",
        "bare", "loop", "real", "bare clock", "real clock",
    }  # fmt: skip
    assert min(found.values()) > 0
    assert batches.collate.__name__ == "collate"  # What was timed is itself again.
    assert found["real"] > found["loop"]  # Without workers, the same process loads.
    speed.show(found, recipe)
    assert "real / bare" in capsys.readouterr().out
