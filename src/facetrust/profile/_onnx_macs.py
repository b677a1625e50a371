"""Multiply-accumulates and parameters of an ONNX graph, counted from its nodes and their shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from facetrust.errors import ModelError, first_line

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]

_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}  # Where the kernel is.
_MATRICES = {"Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"}
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
        ModelError: a shape is not known, or a node's cost is not known here.
    """
    from onnx import inliner

    model = inliner.inline_local_functions(model) if model.functions else model
    for node in model.graph.node:
        _check(node)
    graph, shapes = _with_shapes(model, image)
    needed = {name for node in graph.node for name in _sized(node)}
    if late := needed - shapes.keys():
        shapes |= _by_running(model, image, sorted(late))
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
    from onnx import shape_inference

    copied = onnx.ModelProto()
    copied.CopyFrom(model)
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
        raise ModelError(f"shapes of the graph cannot be inferred ({first_line(error)})") from None
    known = dict(stored)
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = value.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in sizes) and value.type.tensor_type.HasField("shape"):
            known[value.name] = tuple(dim.dim_value for dim in sizes)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            known[node.output[0]] = tuple(node.attribute[0].t.dims)
    return graph, known


def _check(node: onnx.NodeProto) -> None:
    if node.op_type in _OPAQUE or any(entry.HasField("g") for entry in node.attribute):
        raise ModelError(
            f"node {node.name or node.op_type}: the products inside {node.op_type} cannot be counted"
        )
    if node.domain not in ("", "ai.onnx") and node.op_type not in _SCALES:
        raise ModelError(
            f"node {node.name}: {node.domain}.{node.op_type} is no standard operator; its cost is unknown"
        )


def _by_running(model: onnx.ModelProto, image: Shape, names: list[str]) -> dict[str, Shape]:
    """Returns the shapes of tensors that inference leaves open, met by one image of zeros."""
    import numpy as np
    import onnx

    from facetrust.model_file import open_session

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    given = {entry.name for entry in model.graph.output}
    shown.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names if n not in given)
    session = open_session(shown.SerializeToString())
    try:
        found = session.run(names, {session.get_inputs()[0].name: np.zeros(image, np.float32)})
    except Exception as error:  # ONNX Runtime raises a class of its own for every kind of fault.
        reason = first_line(error)
        raise ModelError(
            f"the shape of {names[0]} is not known, and the graph does not run ({reason})"
        ) from None
    return {name: value.shape for name, value in zip(names, found, strict=True)}


def _sized(node: onnx.NodeProto) -> list[str]:
    """Returns the names of the tensors whose shapes a node's cost is made of."""
    if node.op_type in _CONVOLUTIONS:
        places = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
        return [places, node.input[_CONVOLUTIONS[node.op_type]]]
    return [node.output[0], node.input[0]] if node.op_type in _MATRICES else []


def _cost(node: onnx.NodeProto, shapes: dict[str, Shape]) -> int:
    sizes = [shapes[name] for name in _sized(node)]
    if node.op_type in _CONVOLUTIONS:
        # A kernel is (out, in / groups, h, w); a transposed one (in, out / groups, h, w), met once per input.
        places, kernel = sizes
        return math.prod(places) * math.prod(kernel[1:])
    if node.op_type in _MATRICES:
        out, left = sizes
        turned = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
        return math.prod(out) * (left[0] if turned else left[-1])
    return 0
