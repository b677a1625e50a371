"""A picture with its map: the same from a run folder and from its export."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.errors import InputError, UnknownName, UsageError
from facetrust.explain.picture import explain_image
from facetrust.export.run import export_run
from facetrust.imaging import read_image
from facetrust.models import create_model, save_checkpoint
from facetrust.records import ModelCard, Preprocessing, Threshold

HALF = (Threshold(value=0.5, rule="by hand", manifest="none", split="dev"),)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("explained")
    settings = {"image_size": (64, 64), "stage": 2}
    name = "timm/mobilenetv3_small_050"
    how = Preprocessing(size=(64, 64))
    card = ModelCard(
        name="t", task="antispoof", architecture=name, preprocessing=how, score_means="any", thresholds=HALF
    )
    torch.manual_seed(0)
    model = create_model(name, **settings)
    torch.nn.init.normal_(list(model.parameters())[-2], std=2)  # An untrained head says next to nothing.
    save_checkpoint(model, card, root / "run", settings=settings)
    export_run(root / "run", root / "t.onnx")
    return root


def test_the_run_and_its_export_give_the_same_picture(run, photo, tmp_path):
    first = explain_image(run / "run", photo, tmp_path / "a")
    second = explain_image(run / "t.onnx", photo, tmp_path / "b")
    assert first.name == second.name == "astronaut.cam.png"
    one, other = read_image(first).astype(int), read_image(second).astype(int)
    assert one.shape == other.shape
    # The network's map comes at the crop's size, the file's by cells; both are drawn by lines between.
    assert np.abs(one - other).mean() < 3
    assert np.abs(one[:512] - read_image(photo)).mean() > 0.5


@pytest.mark.parametrize("method", ["attention", "rollout"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("clip-vit-t16", {"layers": 2}),
        ("flip-it", {"clip": "vit-t16", "layers": 1}),
        ("timm/test_vit", {}),
    ],
)
def test_networks_with_attention_are_explained_by_it(name, settings, method, photo, tmp_path):
    settings = {"image_size": (48, 48), **settings}
    how = Preprocessing(size=(48, 48))
    card = ModelCard(
        name="t", task="antispoof", architecture=name, preprocessing=how, score_means="any", thresholds=HALF
    )
    torch.manual_seed(0)
    save_checkpoint(create_model(name, **settings), card, tmp_path / "run", settings=settings)
    made = explain_image(tmp_path / "run", photo, tmp_path, method=method)
    assert made.name == f"astronaut.{method}.png"
    picture, drawn = read_image(photo).astype(int), read_image(made).astype(int)[:512]
    tinted = (drawn - picture)[60:160, 180:280].mean((0, 1))  # The face.
    assert tinted[0] > tinted[1] > tinted[2]  # Orange, neither red for an attack nor blue.


def test_where_an_embedding_looks_is_drawn_on_the_aligned_face(photo, tmp_path):
    settings = {"image_size": (48, 48), "width": 64, "depth": 1, "heads": 1, "hidden": 16}
    card = ModelCard(
        name="t",
        task="recognition",
        architecture="face-transformer-p8s8",
        preprocessing=Preprocessing(size=(48, 48), align="points", margins=(1.0,)),
        score_means="any",
    )
    torch.manual_seed(0)
    save_checkpoint(create_model(card.architecture, **settings), card, tmp_path / "run", settings=settings)
    made = explain_image(tmp_path / "run", photo, tmp_path, method="attention")
    drawn = read_image(made).astype(int)[:512] - read_image(photo).astype(int)
    tinted = drawn[60:160, 180:280].mean((0, 1))
    assert tinted[0] > tinted[1] > tinted[2]
    assert np.abs(drawn[300:, :100]).mean() < 1


def test_a_network_without_attention_says_so(run, photo, tmp_path):
    with pytest.raises(UsageError, match="rollout: this network has no attention"):
        explain_image(run / "run", photo, tmp_path / "out", method="rollout")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_explained_is_an_error(run, photo, tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'gradcam'"):
        explain_image(run / "run", photo, tmp_path, method="grad-cam")
    with pytest.raises(UsageError, match="give a run folder"):
        explain_image(run / "t.onnx", photo, tmp_path, method="gradcam")
    from PIL import Image

    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    with pytest.raises(InputError, match="no face found"):
        explain_image(run / "t.onnx", tmp_path / "wall.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()
