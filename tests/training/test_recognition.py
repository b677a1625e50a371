"""An embedding is learnt from a teacher of another kind on faces of nobody in particular."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.errors import ModelError, UsageError
from facetrust.model_file import save
from facetrust.models import load_checkpoint
from facetrust.records import ModelCard, Preprocessing, Sample
from facetrust.training.recipe import Recipe, check_recipe
from facetrust.training.train import train

POINTS = [(22.0, 25.0), (38.0, 25.0), (30.0, 32.0), (24.0, 38.0), (36.0, 38.0)]
HOW = Preprocessing(size=(32, 32), align="points", margins=(1.0,))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tinted faces: eight of nobody and four of two people to train on, eight to choose by; a teacher."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(20):
        train_row, person = number < 12, number // 2
        tint = np.random.default_rng(person).integers(40, 216, 3)
        pixels = np.clip(tint + rng.normal(0, 12, (60, 60, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        rows.append(
            Sample(
                path=f"{number}.png",
                label=0 if number < 8 else None,
                split="train" if train_row else "dev",
                subject=None if number < 8 else f"p{person}",
                points=POINTS,
            )
        )
    Manifest.write(rows, root / "m.csv")
    mix = rng.normal(size=(3, 8)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("MatMul", ["colour", "mix"], ["embedding"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])
    made = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 8])
    graph = helper.make_graph(nodes, "colours", [image], [made], [numpy_helper.from_array(mix, "mix")])
    card = ModelCard(
        name="colours", task="recognition", architecture="any", preprocessing=HOW, score_means="any"
    )
    model: onnx.ModelProto = helper.make_model(
        graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]
    )
    save(model, card, root / "colours.onnx")
    return root


def recipe_of(root: Path, **changes: object) -> Recipe:
    content: dict[str, object] = {
        "name": "student",
        "task": "recognition",
        "model": {"name": "sface", "settings": {"widths": [4] * 14, "embedding": 4}},
        "preprocessing": {"size": [32, 32], "align": "points", "margins": [1.0]},
        "data": {"manifests": [str(root / "m.csv")], "balance": False, "augment": {"strength": 0}},
        "losses": {"feature-distillation": 4, "similarity-distillation": 1, "neighbour-distillation": 1},
        "teachers": [{"path": str(root / "colours.onnx")}],
        "optimizer": {"lr": 0.01},
        "trainer": {"epochs": 2, "batch_size": 6, "workers": 0, "flags": {"enable_progress_bar": False}},
    }
    return check_recipe({**content, **changes}, "test")


def test_no_identity_is_needed_and_widths_may_differ(root, tmp_path):
    run = train(recipe_of(root), out=tmp_path / "run")
    model, card = load_checkpoint(run)
    assert [each.rule for each in card.thresholds] == ["far@0.1%", "far@1%"]
    assert card.thresholds[0].value >= card.thresholds[1].value
    assert {each.metric for each in card.results} == {"auc", "tar-at-far-1e-2", "tar-at-far-1e-3"}
    assert "taught by colours.onnx" in card.training_data
    assert model(torch.zeros(2, 3, 32, 32)).embedding.shape == (2, 4)
    assert (run / "taught").is_dir()  # The teacher was asked once about each face.


def test_a_margin_needs_identities(root, tmp_path):
    rows = [
        row for row in Manifest.read(root / "m.csv").samples() if row.subject is None or row.split == "dev"
    ]
    Manifest.write(rows, root / "nobody.csv")
    data = {"manifests": [str(root / "nobody.csv")], "balance": False}
    with pytest.raises(UsageError, match="0 identities"):
        train(recipe_of(root, losses={"arcface": 1}, teachers=[], data=data), out=tmp_path / "run")


def test_only_a_network_of_the_same_layout_hands_its_weights_on(root, tmp_path):
    teachers = [{"path": str(root / "colours.onnx"), "inherit": True}]
    with pytest.raises(UsageError, match="sface's layout"):
        train(recipe_of(root, teachers=teachers), out=tmp_path / "run")
    other = {"size": [32, 32], "align": "points", "margins": [1.0], "std": [0.5, 0.5, 0.5]}
    with pytest.raises(UsageError, match="is fed otherwise"):
        train(recipe_of(root, teachers=teachers, preprocessing=other), out=tmp_path / "other")


def test_a_file_that_gives_scores_embeds_nothing():
    from facetrust.models.onnx import onnx as open_onnx

    model = open_onnx("antispoof-tiny")
    with pytest.raises(ModelError, match="scores only"):
        model.answer(torch.zeros(1, 3, 128, 128))
