"""SFace's graph becomes our network, and any embedder with a card ours, whatever they call things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from facetrust.errors import ModelError
from facetrust.models import load_checkpoint
from facetrust.models.onnx import onnx as open_onnx
from facetrust.records import ModelCard, Preprocessing
from facetrust.zoo import import_checkpoint

WIDTHS = [4, 4, 6, 6, 6, 6, 8, 8, 8, 8, 8, 8, 10, 10]
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
RNG = np.random.default_rng(0)


class Published:
    """A graph as OpenCV Zoo's: named as theirs, weights as inputs too, some of them block-quantised."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = "data"
        for kind, value in (("Sub", 127.5), ("Mul", 0.0078125)):
            self.add(kind, [np.array([value], np.float32)])
        self.unit(3, WIDTHS[0], 3, 1, 1)
        for before, width, stride in zip(WIDTHS, WIDTHS[1:], STRIDES, strict=False):
            self.unit(before, before, 3, stride, before)
            self.unit(before, width, 1, 1, 1)
        self.norm(WIDTHS[-1], 2e-5)
        self.add("Flatten", [])
        self.add("Gemm", [self.draw(5, WIDTHS[-1] * 49), self.draw(5)], transB=1)
        self.norm(5, 2e-5)
        self.nodes[-1].output[0] = "fc1"

    def draw(self, *shape: int) -> np.ndarray:
        return RNG.normal(0, 0.5, shape).astype(np.float32)

    def add(self, kind: str, weights: list[np.ndarray], **facts: object) -> None:
        names = []
        for value in weights:
            names.append(f"w{len(self.weights)}")
            self.weights.append(numpy_helper.from_array(value, names[-1]))
        out = f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *names], [out], **facts))
        self.last = out

    def norm(self, width: int, epsilon: float) -> None:
        values = [self.draw(width) + 1, self.draw(width), self.draw(width), self.draw(width) ** 2 + 0.5]
        self.add("BatchNormalization", values, epsilon=epsilon)

    def unit(self, channels: int, out: int, kernel: int, stride: int, groups: int) -> None:
        weight = self.draw(out, channels // groups, kernel, kernel)
        pads = [kernel // 2] * 4
        self.add("Conv", [weight], strides=[stride] * 2, pads=pads, group=groups, kernel_shape=[kernel] * 2)
        self.norm(out, 1e-3)
        self.add("PRelu", [np.abs(self.draw(out, 1, 1))])

    def write(self, path: Path) -> Path:
        listed = [
            helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in self.weights
        ]
        data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, 112, 112])
        made = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, ["N", 5])
        graph = helper.make_graph(self.nodes, "sface", [data, *listed], [made], self.weights)
        onnx.save(
            helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), str(path)
        )
        return path


def test_sface_answers_as_its_graph(tmp_path):
    file = Published().write(tmp_path / "sface.onnx")
    images = RNG.integers(0, 256, (2, 3, 112, 112)).astype(np.float32)
    (wanted,) = ort.InferenceSession(str(file)).run(None, {"data": images})
    model, card = load_checkpoint(import_checkpoint("sface", file, tmp_path / "run"))
    how = card.preprocessing
    assert (how.mean, how.std, how.top, how.align) == ((127.5,) * 3, (128.0,) * 3, 255.0, "points")
    with torch.no_grad():
        found = model((torch.from_numpy(images) - 127.5) / 128).embedding.numpy()
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()
    assert card.threshold == 0.363


def test_quantised_weights_are_unpacked(tmp_path):
    made = Published()
    weight = numpy_helper.to_array(made.weights[-6])  # The linear layer's, in blocks of 7 of its columns.
    scale = np.abs(weight).reshape(5, -1, 7).max(2).astype(np.float32) / 127
    packed = np.rint(weight / np.repeat(scale, 7, 1)).astype(np.int8)
    parts = {"q": packed, "s": scale, "z": np.zeros(scale.shape, np.int8)}
    gemm = next(node for node in made.nodes if node.op_type == "Gemm")
    unpack = helper.make_node("DequantizeLinear", list(parts), ["unpacked"], axis=1, block_size=7)
    made.nodes.insert(0, unpack)
    made.weights = [each for each in made.weights if each.name != gemm.input[1]]
    made.weights += [numpy_helper.from_array(value, name) for name, value in parts.items()]
    gemm.input[1] = "unpacked"
    model, _ = load_checkpoint(import_checkpoint("sface", made.write(tmp_path / "q.onnx"), tmp_path / "run"))
    plain = Published()
    assert model.head.weight.shape == (5, WIDTHS[-1] * 49)
    assert len(plain.nodes) == len(made.nodes) - 1
    gain, shift, mean, variance = (numpy_helper.to_array(each) for each in made.weights[-7:-3])
    del shift, mean
    inner = [numpy_helper.to_array(each) for each in made.weights[-12:-8]]
    before = inner[0] / np.sqrt(inner[3] + 2e-5)
    after = gain / np.sqrt(variance + 2e-5)
    wanted = packed * np.repeat(scale, 7, 1) * np.repeat(before, 49) * after[:, None]
    assert model.head.weight.detach().numpy() == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_what_is_not_sface_is_refused(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="not an ONNX model"):
        import_checkpoint("sface", broken, tmp_path / "run")
    made = Published()
    made.nodes = [node for node in made.nodes if node.op_type != "Gemm"]
    with pytest.raises(ModelError, match="is not SFace"):
        import_checkpoint("sface", made.write(tmp_path / "other.onnx"), tmp_path / "run")


CARD = ModelCard(
    name="mine",
    task="recognition",
    architecture="any",
    preprocessing=Preprocessing(size=(8, 8), align="points", margins=(1.0,)),
    score_means="any",
)


def embedder(path: Path, *, batch: int | str = 1, card: ModelCard | None = CARD) -> Path:
    """Writes means of colour, mixed to four numbers, reshaped as exporters of one picture do it."""
    weights = [
        numpy_helper.from_array(RNG.normal(size=(3, 4)).astype(np.float32), "mix"),
        numpy_helper.from_array(np.array([1, -1], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "shape"], ["flat_colour"]),
        helper.make_node("MatMul", ["flat_colour", "mix"], ["feature"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, 8, 8])
    feature = helper.make_tensor_value_info("feature", TensorProto.FLOAT, [batch, 4])
    extra = helper.make_tensor_value_info("mix", TensorProto.FLOAT, [3, 4])
    graph = helper.make_graph(nodes, "any", [pixels, extra], [feature], weights)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), str(path))
    if card is not None:
        path.with_suffix(".json").write_text(card.to_json())
    return path


def test_any_embedder_with_a_card_becomes_ours(tmp_path):
    made = import_checkpoint("embedder", embedder(tmp_path / "any.onnx"), tmp_path / "out")
    assert made == tmp_path / "out" / "mine.onnx"
    model = open_onnx(made)
    images = torch.rand(5, 3, 8, 8)
    vectors = model(images).embedding
    mix = numpy_helper.to_array(onnx.load(str(tmp_path / "any.onnx")).graph.initializer[0])
    wanted = images.mean((2, 3)).numpy() @ mix
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert vectors.numpy() == pytest.approx(wanted, abs=1e-5)
    torch.testing.assert_close(model.answer(images)[1], vectors)
    assert model.card.task == "recognition"


def test_an_embedder_without_a_card_or_of_another_question_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"write any\.json beside it"):
        import_checkpoint("embedder", embedder(tmp_path / "any.onnx", card=None), tmp_path / "out")
    other = CARD.model_copy(update={"task": "antispoof"})
    with pytest.raises(ModelError, match="give no embedding"):
        import_checkpoint("embedder", embedder(tmp_path / "other.onnx", card=other), tmp_path / "out")
    wrong = CARD.model_copy(update={"preprocessing": Preprocessing(size=(16, 16))})
    with pytest.raises(ModelError, match="takes images of"):
        import_checkpoint("embedder", embedder(tmp_path / "wrong.onnx", card=wrong), tmp_path / "out")
    assert not (tmp_path / "out").exists()
