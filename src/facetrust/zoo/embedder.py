"""Any ONNX embedder becomes ours: its input and output under our names, and the card that lies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetrust.errors import MissingExtra, ModelError, first_line
from facetrust.model_file import check_shapes, open_session, probe, save, with_card
from facetrust.records import ModelCard
from facetrust.tasks import task_named

_OUTPUT = "embedding"


def embedder(file: Path, out: Path) -> Path:
    """Returns where it wrote `<out>/<name>.onnx`, with its card inside and beside it.

    Inputs that are only weights are taken out of the list, a batch size that is fixed is freed, and
    embeddings are brought to unit length within the file.

    Args:
        file: an .onnx file with one input (B, 3, h, w) and one output (B, d), or (B, d, 1, 1); beside it its
            card, `<stem>.json`, as `ModelCard` writes one: name, task, architecture, preprocessing and what
            its output means.
        out: the folder to write into.

    Raises:
        ModelError: not such a file, its card is missing, or it cannot take two pictures at once.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtra("onnx", "train") from None
    beside = file.with_suffix(".json")
    if not beside.is_file():
        raise ModelError(f"{file}: has no card; write {beside.name} beside it, which says how it is fed")
    card = ModelCard.from_json(beside.read_bytes(), str(beside))
    if task_named(card.task).output != _OUTPUT:
        raise ModelError(f"{beside}: is for {card.task}, whose models give no embedding")
    try:
        model = onnx.load(str(file))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker have many kinds.
        raise ModelError(f"{file}: is not an ONNX model ({first_line(error)})") from None
    _rename(file, model.graph)
    target = Path(out) / f"{card.name}.onnx"
    session = open_session(with_card(model, card).SerializeToString(), source=str(file))
    check_shapes(session, card, output=_OUTPUT, source=file)
    probe(session, card, output=_OUTPUT, source=file)
    save(model, card, target)
    return target


def _rename(file: Path, graph: Any) -> None:
    """Names input and output, frees the batch, and flattens and normalises at the end."""
    from onnx import TensorProto, helper

    weights = {each.name for each in graph.initializer} | {
        name for node in graph.node for name in node.output
    }
    for entry in [each for each in graph.input if each.name in weights]:
        graph.input.remove(entry)
    if len(graph.input) != 1 or len(graph.output) != 1:
        shown = [entry.name for entry in graph.input], [entry.name for entry in graph.output]
        raise ModelError(f"{file}: has inputs {shown[0]} and outputs {shown[1]}; needed is one of each")
    first, last = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = {first: "image", last: "found"}.get(name, name)
    _free_batch(graph)
    graph.input[0].name = "image"
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    graph.node.append(helper.make_node("Flatten", ["found"], ["flat"], axis=1))
    graph.node.append(helper.make_node("LpNormalization", ["flat"], [_OUTPUT], axis=1, p=2))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, ["batch", None]))


def _free_batch(graph: Any) -> None:
    """Lets reshapes that say 1 for the batch keep what it is."""
    from onnx import numpy_helper

    tensors = {each.name: each for each in graph.initializer}
    tensors |= {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[0] in tensors or node.input[1] not in tensors:
            continue
        tensor = tensors[node.input[1]]
        shape = numpy_helper.to_array(tensor).copy()
        if len(shape) and shape[0] == 1:
            shape[0] = 0
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(shape, name))
