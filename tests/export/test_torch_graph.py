"""ONNX graphs as PyTorch modules: each operator as ONNX's own slow reference has it, all students as here."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from facetrust.errors import ExportError
from facetrust.export._torch_graph import TorchGraph
from facetrust.model_file import bundled, locate, open_session

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.standard_normal((2, 3, 6, 5)).astype(np.float32)


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def numbers(*each: int) -> np.ndarray:
    return np.array(each, np.int64)


def graph(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """Returns a graph from `image` to `out`."""
    image, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("image", "out"))
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "test", [image], [out], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])


def node(kind: str, *inputs: str, out: str = "out", **how: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [out], **how)


CASES = {
    "conv": graph(
        node("Conv", "image", "w", "b", pads=[0, 1, 2, 0], strides=[2, 1], dilations=[1, 2], group=3),
        w=values(6, 1, 3, 2), b=values(6),
    ),
    "clip": graph(node("Clip", "image", "low", "high"), low=np.float32(-0.5), high=np.float32(0.25)),
    "clip from below": graph(node("Clip", "image", "low"), low=np.float32(-0.5)),
    "gather": graph(node("Gather", "image", "one", axis=1), one=np.int64(1)),
    "mean": graph(node("ReduceMean", "image", "axes", keepdims=0), axes=numbers(2, 3)),
    "length": graph(node("ReduceL2", "image", "axes", keepdims=1), axes=numbers(1)),
    "prelu": graph(node("PRelu", "image", "slope"), slope=np.abs(values(1, 3, 1, 1))),
    "hard swish": graph(node("HardSwish", "image")),
    "softmax": graph(node("Softmax", "image", axis=1)),
    "softmax, written out": graph(
        node("ReduceMax", "image", "axes", out="most", keepdims=1), node("Sub", "image", "most", out="below"),
        node("Exp", "below", out="powers"), node("ReduceSum", "powers", "axes", out="sum", keepdims=1),
        node("Div", "powers", "sum"), axes=numbers(1),
    ),
    "gemm": graph(
        node("Reshape", "image", "shape", out="flat", allowzero=1),
        node("Gemm", "flat", "w", "b", transB=1, alpha=0.5, beta=2.0),
        shape=numbers(-1, 90), w=values(4, 90), b=values(4),
    ),
    "resize": graph(
        node("Shape", "image", out="shape", start=0, end=2),
        node("Concat", "shape", "size", out="sizes", axis=0),
        node("Resize", "image", "", "", "sizes", mode="linear", coordinate_transformation_mode="half_pixel"),
        size=numbers(12, 7),
    ),
    "expand": graph(
        node("ReduceL2", "image", "axes", out="length", keepdims=1),
        node("Expand", "length", "shape", out="lengths"),
        node("Div", "image", "lengths"),
        axes=numbers(1), shape=numbers(2, 3, 6, 5),
    ),
    "sum": graph(
        node("Relu", "image", out="a"), node("Sigmoid", "image", out="b"), node("Add", "a", "b", out="c"),
        node("Concat", "c", "image", axis=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_what_onnx_says(name):
    (expected,) = ReferenceEvaluator(CASES[name]).run(None, {"image": IMAGE})
    (found,) = TorchGraph(CASES[name], ["out"])(torch.from_numpy(IMAGE))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_what_is_not_known_is_named():
    with pytest.raises(ExportError, match="operator Hardmax"):
        TorchGraph(graph(node("Hardmax", "image")), ["out"])
    nearest = graph(node("Resize", "image", "", "", "sizes", mode="nearest"), sizes=numbers(2, 3, 12, 10))
    with pytest.raises(ExportError, match="operator Resize"):
        TorchGraph(nearest, ["out"])(torch.from_numpy(IMAGE))


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_student_answers_as_in_onnx_runtime(name):
    file = onnx.load(locate(name))
    outputs = [each.name for each in file.graph.output]
    size = [each.dim_value for each in file.graph.input[0].type.tensor_type.shape.dim][1:]
    image = values(1, *size)
    found = TorchGraph(file, outputs)(torch.from_numpy(image))
    for ours, expected in zip(found, open_session(locate(name)).run(outputs, {"image": image}), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-4)
