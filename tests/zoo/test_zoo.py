from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from facetrust.errors import ModelError, UnknownName
from facetrust.imaging import crop_face, read_image, to_tensor
from facetrust.models import create_model, load_checkpoint, mean_logits
from facetrust.models.onnx import onnx as open_onnx
from facetrust.records import Preprocessing
from facetrust.zoo import IMPORTERS, import_checkpoint

FILES = {
    "silent-face-v2": "2.7_80x80_MiniFASNetV2.pth",
    "silent-face-v1se": "4_0_0_80x80_MiniFASNetV1SE.pth",
    "facenox-v2se": "minifasnet_v2se_facenox_98.20.onnx",
}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file in the published layout: the keys begin with `module.`."""
    torch.manual_seed(0)
    weights = create_model("minifasnet-v2").state_dict()
    path = tmp_path / "published.pth"
    torch.save({f"module.{key}": value for key, value in weights.items()}, path)
    return path


def test_a_published_layout_is_read_tensor_by_tensor(published: Path, tmp_path: Path) -> None:
    model, card = load_checkpoint(import_checkpoint("silent-face-v2", published, tmp_path / "out"))
    weights = torch.load(published, weights_only=True)
    assert all(torch.equal(value, weights[f"module.{key}"]) for key, value in model.state_dict().items())
    assert card.preprocessing.margins == (2.7,)
    assert card.preprocessing.color == "BGR"
    assert card.parameters == 434_560


def test_what_did_not_match_is_said_and_nothing_is_left(published: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not a silent-face-v1se; \d+ tensors differ, the first is conv_3"):
        import_checkpoint("silent-face-v1se", published, tmp_path / "out")
    assert not (tmp_path / "out").exists()


TOWERS = {"clip": "vit-t16", "image_size": (32, 32), "layers": 2, "quick_gelu": True}


def flip_file(variant: str, path: Path, **more: torch.Tensor) -> torch.nn.Module:
    """A file as FLIP's training leaves it, and the network that it was made from."""
    torch.manual_seed(0)
    model = create_model(f"flip-{variant}", **TOWERS)
    torch.save({"state_dict": {**model.state_dict(), **more}, "epoch": 7}, path)
    return model.eval()


@pytest.mark.parametrize("variant", ["it", "mcl", "v"])
def test_a_flip_is_told_by_its_keys_and_its_sizes_by_its_shapes(variant: str, tmp_path: Path) -> None:
    path = tmp_path / "flip.pth.tar"
    twice = {}
    if variant == "v":
        names = (
            "backbone.vit.proj",
            "embedder.bottleneck_layer.0.weight",
            "embedder.bottleneck_layer.0.bias",
        )
        twice = {name: torch.zeros(2) for name in names}
    expected = flip_file(variant, path, **twice)
    model, card = load_checkpoint(import_checkpoint("flip", path, tmp_path / "out"))
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(images).logit, expected(images).logit)
    assert card.architecture == f"flip-{variant}"
    assert card.terms == "no licence file as published"
    # What its authors feed it: ImageNet's statistics, not CLIP's, and a linear resize.
    assert card.preprocessing == Preprocessing(
        margins=(1.2,),
        size=(32, 32),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        top=1.0,
        color="RGB",
        fill="shift",
        square=True,
        align="box",
        resize="linear",
    )
    assert "where the network looks" in card.evidence_means


def test_a_flip_that_does_not_fit_is_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "flip.pth.tar"
    # One is of another shape, one unknown.
    odd = {"classifier.classifier_layer.bias": torch.zeros(3), "classifier.extra": torch.zeros(1)}
    flip_file("v", path, **odd)
    with pytest.raises(
        ModelError, match=r"flip-v; 2 tensors differ, the first is classifier\.classifier_layer"
    ):
        import_checkpoint("flip", path, tmp_path / "out")
    torch.save({"backbone.vit.conv1.weight": torch.zeros(100, 3, 16, 16)}, path)
    with pytest.raises(ModelError, match="no FLIP checkpoint"):
        import_checkpoint("flip", path, tmp_path / "out")
    positions = {"model.visual.positional_embedding": torch.zeros(5, 100)}
    torch.save({"state_dict": {"model.visual.conv1.weight": torch.zeros(100, 3, 16, 16)} | positions}, path)
    with pytest.raises(ModelError, match="tower is 100 wide"):
        import_checkpoint("flip", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("trap-was-sprung"),))


@pytest.mark.parametrize("kind", ["silent-face-v2", "flip", "efficient-vit"])
@pytest.mark.parametrize("content", ["trap", "text", "list"])
def test_anything_but_plain_weights_is_refused(
    tmp_path: Path, content: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    if content == "text":
        path.write_text("not weights")
    else:
        trap = {"state_dict": {"model.logit_scale": _Trap()}, "epoch": 1}
        torch.save(trap if content == "trap" else [torch.zeros(2)], path)
    with pytest.raises(ModelError, match="cannot be read as plain weights"):
        import_checkpoint(kind, path, tmp_path / "out")
    assert not (tmp_path / "trap-was-sprung").exists()


def test_a_foreign_graph_is_given_our_outputs(tmp_path: Path) -> None:
    """Two class logits, the mean of the red and of the blue plane; live is the first class."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["planes"]),
        helper.make_node("Gather", ["planes", "pick"], ["output"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "peer",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch_size", 3, 128, 128])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", 2])],
        [helper.make_tensor("pick", TensorProto.INT64, [2], [0, 2])],
    )
    path = tmp_path / "peer.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    model = open_onnx(import_checkpoint("facenox-v2se", path, tmp_path / "out"))
    images = torch.rand(3, 3, 128, 128)
    expected = images[:, 2].mean((1, 2)) - images[:, 0].mean((1, 2))
    assert torch.allclose(model(images).logit, expected, atol=1e-4)
    assert model.card.preprocessing.margins == (1.5,)


def test_bad_calls_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'silent-face-v2'"):
        import_checkpoint("silent-face-v3", tmp_path, tmp_path)
    with pytest.raises(ModelError, match="no such weight file"):
        import_checkpoint("silent-face-v2", tmp_path / "none.pth", tmp_path)
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ModelError, match="is not an ONNX model"):
        import_checkpoint("facenox-v2se", tmp_path / "text.onnx", tmp_path)


@pytest.mark.real
def test_the_published_files_tell_real_prints_from_faces(
    real_data: Path, peers: Path, tmp_path: Path
) -> None:
    """Every net must rank nearly all of 20 live and 20 print frames rightly, or its input is wrong."""
    assert all(kind in IMPORTERS for kind in FILES)
    with (real_data / "nuaa" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))[::30]
    for kind, name in FILES.items():
        target = import_checkpoint(kind, peers / name, tmp_path / kind)
        model, card = (
            (load_checkpoint(target)) if target.is_dir() else (open_onnx(target), open_onnx(target).card)
        )
        logits = {"live": [], "spoof": []}
        for row in rows:
            image = read_image(real_data / "nuaa" / row["path"])
            box = tuple(float(row[key]) for key in "xywh")
            crop = to_tensor(crop_face(image, box, card.preprocessing), card.preprocessing)
            with torch.no_grad():
                logits[row["label"]].append(float(mean_logits(model, torch.from_numpy(crop)[None, None])[0]))
        wins = np.greater.outer(np.array(logits["spoof"]), np.array(logits["live"])).mean()
        assert wins > 0.95, kind


def test_a_checkpoint_as_the_authors_write_it(tmp_path: Path) -> None:
    """FLIP's `save_checkpoint` keeps arguments and the best figures beside the weights, as NumPy numbers."""
    path = tmp_path / "flip.pth.tar"
    flip_file("it", path)
    weights = torch.load(path, weights_only=True)
    state = weights.get("state_dict", weights)
    figures = {
        "valid_arg": [np.float64(0.1), 2],
        "best_model_HTER": np.float64(0.03),
        "best_iter": np.int64(7),
    }
    torch.save({"epoch": 3, "state_dict": state, **figures}, path)
    _, card = load_checkpoint(import_checkpoint("flip", path, tmp_path / "out"))
    assert card.architecture == "flip-it"
    assert card.advisory
    assert card.threshold == 0.5


def test_nothing_else_in_a_pickle_is_let_through(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "path": Path("x")}, tmp_path / "flip.pth.tar")
    with pytest.raises(ModelError, match=r"it holds pathlib\.\w+, which is no plain data") as caught:
        import_checkpoint("flip", tmp_path / "flip.pth.tar", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
