"""A smaller graph with the same answers: batch norms folded, the exporter's notes removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def simplify(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the same graph object with fewer nodes and no notes.

    The exporter's optimiser folds a batch norm into the convolution before it; here follows the
    one before an unpadded convolution, such as a norm between the features and a 1x1 head.
    """
    _strip(graph)
    _name_batch(graph)
    _fold_before(graph)
    _drop_unused(graph)
    return graph


def _strip(model: onnx.ModelProto) -> None:
    """Removes traces of source code; they make a tenth to a quarter of a small net's file."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    model.doc_string = graph.doc_string = ""
    graph.name = "facetrust"
    for entry in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        entry.doc_string = ""
        del entry.metadata_props[:]


def _name_batch(model: onnx.ModelProto) -> None:
    """Calls the free first dimension `batch`; the exporter's own name for it is a counter's value."""
    for entry in (*model.graph.input, *model.graph.output):
        dims = entry.type.tensor_type.shape.dim
        if dims and dims[0].dim_param:
            dims[0].dim_param = "batch"


def _fold_before(model: onnx.ModelProto) -> None:
    from onnx import numpy_helper

    graph = model.graph
    values = {entry.name: entry for entry in graph.initializer}
    outputs = {entry.name for entry in graph.output}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        users = [node for node in graph.node if norm.output[0] in node.input]
        if len(users) != 1 or norm.output[0] in outputs or not _is_open(users[0], values):
            continue
        if any(name not in values for name in norm.input[1:]):
            continue
        (conv,) = users
        gain, bias, mean, var = (
            numpy_helper.to_array(values[name]).astype(np.float64) for name in norm.input[1:]
        )
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        factor = gain / np.sqrt(var + epsilon)
        kernel = numpy_helper.to_array(values[conv.input[1]]).astype(np.float64)
        offset = (kernel * (bias - mean * factor)[None, :, None, None]).sum((1, 2, 3))
        if len(conv.input) > 2:
            offset += numpy_helper.to_array(values[conv.input[2]])
        names = [f"{conv.output[0]}.kernel", f"{conv.output[0]}.offset"]
        arrays = [kernel * factor[None, :, None, None], offset]
        graph.initializer.extend(
            numpy_helper.from_array(array.astype(np.float32), name)
            for array, name in zip(arrays, names, strict=True)
        )
        kept = [norm.input[0], *names]
        del conv.input[:]
        conv.input.extend(kept)
        graph.node.remove(norm)


def _is_open(node: onnx.NodeProto, values: dict[str, onnx.TensorProto]) -> bool:
    """Returns whether a node is a convolution, ungrouped and unpadded, with known weights."""
    if node.op_type != "Conv" or any(name not in values for name in node.input[1:]):
        return False
    settings = {entry.name: entry for entry in node.attribute}
    padded = "pads" in settings and any(settings["pads"].ints)
    automatic = "auto_pad" in settings and settings["auto_pad"].s not in (b"NOTSET", b"VALID")
    return not padded and not automatic and ("group" not in settings or settings["group"].i == 1)


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    for entry in [entry for entry in model.graph.initializer if entry.name not in used]:
        model.graph.initializer.remove(entry)
