"""Training that begins with the weights of a finished run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.errors import UsageError
from facetrust.models import create_model, load_checkpoint, save_checkpoint
from facetrust.records import ModelCard, Preprocessing, Sample
from facetrust.training.recipe import check_recipe
from facetrust.training.train import train

SETTINGS = {"image_size": (32, 32), "classes": 3, "width": 8}
NAME = "fpn-mobilenetv3_small_050"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A finished run, and a manifest of four faces with masks beside it."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
        Image.fromarray(rng.integers(0, 3, (32, 32), dtype=np.uint8)).save(tmp_path / f"{n}.mask.png")
        split = "train" if n < 2 else "dev"
        rows.append(Sample(path=f"{n}.png", split=split, mask=f"{n}.mask.png"))
    Manifest.write(rows, tmp_path / "m.csv")
    torch.manual_seed(5)
    card = ModelCard(
        name="t",
        task="parsing",
        architecture=NAME,
        preprocessing=Preprocessing(size=(32, 32)),
        score_means="any",
        classes=("a", "b", "c"),
    )
    save_checkpoint(create_model(NAME, **SETTINGS), card, tmp_path / "begun", settings=SETTINGS)
    return tmp_path / "begun"


def recipe_of(begun: Path, **settings: object):
    return check_recipe(
        {
            "task": "parsing",
            "model": {
                "name": NAME,
                "begin": str(begun),
                "settings": {"classes": 3, "width": 8, **settings},
            },
            "preprocessing": {"size": [32, 32], "margins": [1.0]},
            "data": {
                "manifests": [str(begun.parent / "m.csv")],
                "balance": False,
                "classes": ["a", "b", "c"],
            },
            "optimizer": {"lr": 1e-12, "weight_decay": 0, "warmup": 0},
            "trainer": {
                "epochs": 1,
                "batch_size": 2,
                "workers": 0,
                "ema": 0,
                "flags": {"enable_progress_bar": False},
            },
        },
        "test",
    )


def test_the_weights_are_those_of_the_run_and_the_card_says_so(begun, tmp_path):
    first, _ = load_checkpoint(begun)
    model, card = load_checkpoint(train(recipe_of(begun), out=tmp_path / "run"))
    for (name, one), other in zip(first.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0, msg=name)
    assert "began with run begun" in card.training_data


def test_a_run_of_another_network_is_refused(begun, tmp_path):
    with pytest.raises(UsageError, match="holds another network"):
        train(recipe_of(begun, width=16), out=tmp_path / "run")
