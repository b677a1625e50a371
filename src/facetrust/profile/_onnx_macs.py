"""Multiply-accumulates and parameters of an ONNX graph, counted from its nodes and inferred shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from facetrust.errors import ModelError

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]

_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}  # Where the kernel is.
_MATRICES = {"MatMul": 0, "MatMulInteger": 0, "QLinearMatMul": 0, "Gemm": 0}
# Operators that multiply and accumulate but whose cost no shape of theirs tells here.
_OPAQUE = {"Attention", "Einsum", "DeformConv", "GRU", "Loop", "LSTM", "If", "RNN", "Scan"}
_SCALES = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
_KINDS = {"FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "INT8", "UINT8", "INT32"}


def count_macs(model: onnx.ModelProto, image: Shape) -> int:
    """Returns the multiply-accumulates of one image through a graph.

    Counted are products: convolutions, Gemm and MatMul, attention's two among them. Norms,
    activations, pooling and additions are not.

    Args:
        image: (1, channels, height, width) of the graph's first input.

    Raises:
        ModelError: a shape cannot be inferred, or a node's cost is not known here.
    """
    graph, shapes = _with_shapes(model, image)
    return sum(_cost(node, shapes) for node in graph.node)


def count_parameters(model: onnx.ModelProto) -> int:
    """Returns how many weights a graph stores; shapes, single constants, scales and zero points are none."""
    from onnx import TensorProto

    scales = {name for node in model.graph.node if node.op_type in _SCALES for name in node.input[1:]}
    stored = {entry.name: entry for entry in model.graph.initializer if entry.name not in scales}
    kinds = {TensorProto.DataType.Value(kind) for kind in _KINDS}
    sizes = [math.prod(entry.dims) for entry in stored.values() if entry.data_type in kinds]
    return sum(size for size in sizes if size > 1)


def _with_shapes(model: onnx.ModelProto, image: Shape) -> tuple[onnx.GraphProto, dict[str, Shape]]:
    import onnx
    from onnx import inliner, shape_inference

    copied = onnx.ModelProto()
    copied.CopyFrom(inliner.inline_local_functions(model) if model.functions else model)
    del copied.graph.value_info[:]
    stored = {entry.name: tuple(entry.dims) for entry in copied.graph.initializer}
    (entry, *_) = [entry for entry in copied.graph.input if entry.name not in stored]
    dims = entry.type.tensor_type.shape.dim
    if len(dims) != len(image):
        raise ModelError(f"input {entry.name} has {len(dims)} dimensions, not {len(image)}")
    for dim, size in zip(dims, image, strict=True):
        dim.dim_value = size
    for output in copied.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        graph = shape_inference.infer_shapes(copied, strict_mode=True, data_prop=True).graph
    except Exception as error:  # onnx raises its own kinds and those of protobuf.
        raise ModelError(
            f"shapes of the graph cannot be inferred ({str(error).splitlines()[0][:120]})"
        ) from None
    known = dict(stored)
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = value.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in sizes) and value.type.tensor_type.HasField("shape"):
            known[value.name] = tuple(dim.dim_value for dim in sizes)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            known[node.output[0]] = tuple(node.attribute[0].t.dims)
    return graph, known


def _cost(node: onnx.NodeProto, shapes: dict[str, Shape]) -> int:
    if node.op_type in _OPAQUE or any(entry.HasField("g") for entry in node.attribute):
        raise ModelError(
            f"node {node.name or node.op_type}: the products inside {node.op_type} cannot be counted"
        )
    if node.domain not in ("", "ai.onnx") and node.op_type not in _SCALES:
        raise ModelError(
            f"node {node.name}: {node.domain}.{node.op_type} is no standard operator; its cost is unknown"
        )
    if node.op_type in _CONVOLUTIONS:
        kernel = _shape(node, node.input[_CONVOLUTIONS[node.op_type]], shapes)
        # A kernel is (out, in / groups, h, w); a transposed one (in, out / groups, h, w), met once per input.
        places = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
        return math.prod(_shape(node, places, shapes)) * math.prod(kernel[1:])
    if node.op_type in _MATRICES:
        left = _shape(node, node.input[0], shapes)
        turned = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
        return math.prod(_shape(node, node.output[0], shapes)) * (left[0] if turned else left[-1])
    return 0


def _shape(node: onnx.NodeProto, name: str, shapes: dict[str, Shape]) -> Shape:
    try:
        return shapes[name]
    except KeyError:
        raise ModelError(
            f"node {node.name or node.op_type}: the shape of {name} cannot be inferred"
        ) from None
