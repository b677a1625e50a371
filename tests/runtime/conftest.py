"""A tiny network of the ONNX convention with a known answer, and a detector that finds what it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facetrust.imaging import Pixels
from facetrust.records import Face, ModelCard, Preprocessing, sha256_of

SIDE = 16


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory):
    """Keeps the built detector out of the user's cache, and builds it once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACETRUST_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def tiny_graph() -> onnx.ModelProto:
    """Evidence is the mean over RGB of 4x4 cells, times 4, minus 2; so the logit is 4 x mean - 2."""
    kernel = np.full((1, 3, 4, 4), 4 / 48, np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["map"], strides=[4, 4]),
        helper.make_node("Squeeze", ["map", "one"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence"], ["logit"], axes=[1, 2], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    constants = [
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(np.asarray([-2], np.float32), "bias"),
        numpy_helper.from_array(np.asarray([1], np.int64), "one"),
    ]
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    evidence = helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["n", 4, 4])
    graph = helper.make_graph(nodes, "tiny", [entry], [score, evidence], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tiny_card(**changes) -> ModelCard:
    fields = {
        "name": "tiny",
        "task": "antispoof",
        "architecture": "one convolution",
        "preprocessing": Preprocessing(margins=(1.0,), size=(SIDE, SIDE)),
        "score_means": "higher is brighter",
    }
    return ModelCard(**{**fields, **changes})


@pytest.fixture
def write_model(tmp_path) -> Callable[..., Path]:
    """A function that writes a tiny model with its card inside and, unless told otherwise, beside it."""

    def write(name: str = "tiny", *, inside: bool = True, beside: bool = True, **changes) -> Path:
        path = tmp_path / f"{name}.onnx"
        model = tiny_graph()
        card = tiny_card(**changes)
        if inside:
            helper.set_model_props(model, {"facetrust.card": card.to_json()})
        onnx.save(model, path)
        if beside:
            stated = card.model_copy(update={"weights": path.name, "sha256": sha256_of(path)})
            path.with_suffix(".json").write_text(stated.to_json())
        return path

    return write


class Told:
    """A detector that finds the given boxes in every picture."""

    name = "told"
    sure = 0.5
    likely = 0.4

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes
        self.seen: list[tuple[int, ...]] = []

    def detect(self, image: Pixels) -> list[Face]:
        self.seen.append(image.shape)
        return [Face(box=box, points=_points(box), confidence=0.9) for box in self.boxes]


def _points(box):
    x, y, w, h = box
    shares = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return tuple((x + a * w, y + b * h) for a, b in shares)


@pytest.fixture
def told() -> type[Told]:
    return Told


@pytest.fixture(scope="session")
def portrait() -> Pixels:
    """A public-domain portrait, (512, 512, 3); the face is about x 178, y 62, w 88, h 112."""
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


FACE = (178.0, 62.0, 88.0, 112.0)


def overlap(a, b) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    across = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    shared = across * down
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


@pytest.fixture(scope="session")
def near_face() -> Callable[..., bool]:
    """A function that says whether a box is the portrait's face."""
    return lambda box, face=FACE: overlap(box, face) > 0.6


@pytest.fixture(scope="session")
def mtcnn():
    from facetrust.runtime.mtcnn import Mtcnn

    return Mtcnn()
