"""A picture with its map: the same from a run folder and from its export."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from facetrust.errors import InputError, UnknownName, UsageError
from facetrust.explain.faithfulness import resized
from facetrust.explain.picture import explain
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
    first, second = (
        explain(run / "run", [photo], tmp_path / "a"),
        explain(run / "t.onnx", [photo], tmp_path / "b"),
    )
    assert [path.name for path in first.overlays] == ["astronaut.cam.png"]
    assert [path.name for path in second.overlays] == ["astronaut.evidence.png"]
    one, other = (read_image(each.overlays[0]).astype(int) for each in (first, second))
    assert one.shape == other.shape
    # The network's map comes at the crop's size, the file's by cells; both are drawn by lines between.
    assert np.abs(one - other).mean() < 3
    assert np.abs(one[:512] - read_image(photo)).mean() > 0.5
    # The raw maps are of one face: the file's cells, drawn larger by lines, are the network's map.
    drawn, cells = np.load(first.maps[0]), np.load(second.maps[0])
    assert drawn.shape == (1, 64, 64)
    assert cells.shape == (1, 8, 8)
    assert np.abs(drawn[0] - resized(cells[0], (64, 64))).max() < 1e-3


def test_methods_lie_side_by_side_and_a_decision_has_its_side(run, photo, tmp_path):
    pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    methods = ["cam", "gradcam", "gradcam-plus-plus"]
    made = {}
    for decision in ("attack", "bona fide"):
        made[decision] = explain(
            run / "run", [photo], tmp_path / decision, methods=methods, decision=decision
        )
        assert [path.name for path in made[decision].overlays] == [
            f"astronaut.{each}.png" for each in methods
        ]
        assert read_image(made[decision].figure).shape[1] == 4 * 320
    for speaking_for, against in zip(made["attack"].maps, made["bona fide"].maps, strict=True):
        assert np.load(speaking_for).min() >= 0
        assert np.load(against).max() <= 0
    both = np.load(explain(run / "run", [photo], tmp_path / "both").maps[0])
    assert np.array_equal(both, np.load(made["attack"].maps[0]) + np.load(made["bona fide"].maps[0]))


def test_a_question_about_the_picture_needs_no_face_and_shows_every_window(tmp_path):
    how = Preprocessing(size=(56, 56), align="native", margins=(1.0,) * 4)
    name, settings = "timm/mobilenetv3_small_050", {"image_size": (56, 56), "stage": 1}
    card = ModelCard(
        name="t", task="synthetic", architecture=name, preprocessing=how, score_means="any", thresholds=HALF
    )
    torch.manual_seed(0)
    model = create_model(name, **settings)
    torch.nn.init.normal_(list(model.parameters())[-2], std=2)
    save_checkpoint(model, card, tmp_path / "run", settings=settings)
    export_run(tmp_path / "run", tmp_path / "t.onnx")
    picture = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "wall.png"), picture[:, :, ::-1])
    for opened, method in (("run", "cam"), ("t.onnx", "evidence")):
        made = explain(tmp_path / opened, [tmp_path / "wall.png"], tmp_path / "out")
        assert made.overlays[0].name == f"wall.{method}.png"
        maps = np.load(made.maps[0])
        assert maps.shape[0] == 4
        # Four windows cover a picture of twice their sides; each is tinted as its map says.
        drawn = read_image(made.overlays[0])[:480].astype(int)
        plain = cv2.resize(picture, (480, 480), interpolation=cv2.INTER_CUBIC).astype(int)
        for number, heat in enumerate(maps):
            rows, columns = (slice(240 * half, 240 * (half + 1)) for half in divmod(number, 2))
            reddened = (drawn - plain)[rows, columns, 0] - (drawn - plain)[rows, columns, 2]
            assert np.corrcoef(cv2.resize(heat, (240, 240)).ravel(), reddened.ravel())[0, 1] > 0.49


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
    made = explain(tmp_path / "run", [photo], tmp_path, methods=[method]).overlays[0]
    assert made.name == f"astronaut.{method}.png"
    picture, drawn = read_image(photo).astype(int), read_image(made).astype(int)[:512]
    tinted = (drawn - picture)[60:160, 180:280].mean((0, 1))  # The face.
    assert tinted[0] > tinted[1] > tinted[2]  # Orange, neither red for an attack nor blue.


def save_embedder(folder):
    """Writes a run of an embedder of aligned faces, with random weights."""
    settings = {"image_size": (48, 48), "width": 64, "depth": 1, "heads": 1, "hidden": 16}
    card = ModelCard(
        name="t",
        task="recognition",
        architecture="face-transformer-p8s8",
        preprocessing=Preprocessing(size=(48, 48), align="points", margins=(1.0,)),
        score_means="any",
    )
    torch.manual_seed(0)
    save_checkpoint(create_model(card.architecture, **settings), card, folder, settings=settings)


def test_where_an_embedding_looks_is_drawn_on_the_aligned_face(photo, tmp_path):
    save_embedder(tmp_path / "run")
    made = explain(tmp_path / "run", [photo], tmp_path, methods=["attention"]).overlays[0]
    drawn = read_image(made).astype(int)[:512] - read_image(photo).astype(int)
    tinted = drawn[60:160, 180:280].mean((0, 1))
    assert tinted[0] > tinted[1] > tinted[2]
    assert np.abs(drawn[300:, :100]).mean() < 1


def test_what_cannot_be_explained_is_an_error(run, photo, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="rollout: this network has no attention"):
        explain(run / "run", [photo], out, methods=["rollout"])
    with pytest.raises(UnknownName, match="did you mean 'gradcam'"):
        explain(run / "run", [photo], out, methods=["grad-cam"])
    with pytest.raises(UsageError, match="its own evidence only; give a run folder for gradcam"):
        explain(run / "t.onnx", [photo], out, methods=["gradcam"])
    with pytest.raises(UsageError, match="of a run folder take cam"):
        explain(run / "run", [photo], out, methods=["evidence"])
    with pytest.raises(UnknownName, match="did you mean 'attack'"):
        explain(run / "run", [photo], out, decision="atack")
    with pytest.raises(UsageError, match="spatial-attention: says where a network looks, for no decision"):
        explain(run / "run", [photo], out, methods=["spatial-attention"], decision="attack")
    with pytest.raises(UsageError, match="two of the pictures have one name"):
        explain(run / "run", [photo, photo], out)
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    with pytest.raises(InputError, match="no face found"):
        explain(run / "t.onnx", [tmp_path / "wall.png"], out)
    assert not out.exists()


def test_an_embedding_has_no_answer_to_speak_for(photo, tmp_path):
    save_embedder(tmp_path / "run")
    with pytest.raises(UsageError, match="cam: explains a score, and this network gives none"):
        explain(tmp_path / "run", [photo], tmp_path / "out")
