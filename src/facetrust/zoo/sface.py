"""OpenCV Zoo's SFace (`face_recognition_sface_2021dec.onnx`), float or block-quantised, as our `sface`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MissingExtra, ModelError, first_line
from facetrust.models.sface import WIDTHS

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

_EPSILON = 1e-5  # PyTorch's, in its batch normalisations.
_KINDS = ("Conv", "BatchNormalization", "PRelu", "Gemm")


def sface(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns the weights under our names, and the settings read off their shapes.

    The two normalisations around the linear layer are folded into it; those behind convolutions take the
    file's epsilon into their variance.

    Args:
        file: an ONNX file whose convolutions, normalisations and slopes follow each other as published.

    Raises:
        ModelError: not an ONNX file, or of another layout.
    """
    import torch

    graph = _Graph(file)
    conv, norms, slopes, (linear,) = (graph.nodes(kind) for kind in _KINDS[:3] + _KINDS[3:])
    if (len(conv), len(norms), len(slopes)) != (27, 29, 27):
        raise ModelError(f"{file}: is not SFace; it has {len(conv)} convolutions, expected are 27")
    names = ["stem", *(f"blocks.{number}.{part}" for number in range(len(WIDTHS) - 1) for part in (0, 1))]
    found: dict[str, NDArray[np.float32]] = {}
    for name, convolution, norm, slope in zip(names, conv, norms, slopes, strict=False):
        gain, shift, mean, variance = graph.values(norm)[:4]
        found |= {
            f"{name}.conv.weight": graph.values(convolution)[0],
            f"{name}.bn.weight": gain,
            f"{name}.bn.bias": shift,
            f"{name}.bn.running_mean": mean,
            f"{name}.bn.running_var": variance + graph.epsilon(norm) - _EPSILON,
            f"{name}.bn.num_batches_tracked": np.array(0, np.int64),
            f"{name}.prelu.weight": graph.values(slope)[0].reshape(-1),
        }
    before, after = (graph.affine(norm) for norm in norms[-2:])
    weight, bias = graph.values(linear)
    cells = weight.shape[1] // len(before[0])
    by_channel = weight.reshape(len(weight), -1, cells)
    bias = bias + (by_channel * before[1][:, None]).sum((1, 2))
    head = (by_channel * before[0][:, None]).reshape(weight.shape) * after[0][:, None]
    found |= {"head.weight": head, "head.bias": bias * after[0] + after[1]}
    widths = [len(found[f"{name}.bn.weight"]) for name in (names[0], *names[2::2])]
    side = 16 * round(cells**0.5)
    settings = {"widths": widths, "embedding": len(weight), "image_size": (side, side)}
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}, settings


class _Graph:
    """An ONNX graph whose weights are constants, quantised or reshaped ones included."""

    def __init__(self, file: Path) -> None:
        try:
            import onnx
            from onnx import numpy_helper
        except ImportError:
            raise MissingExtra("onnx", "train") from None
        try:
            self.graph = onnx.load(str(file)).graph
            self.known = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}
        except Exception as error:  # protobuf has many kinds for a damaged file
            raise ModelError(f"{file}: is not an ONNX model ({first_line(error)})") from None
        self.file = file
        for node in self.graph.node:
            inputs = [self.known[name] for name in node.input if name in self.known]
            if node.op_type == "DequantizeLinear" and len(inputs) == 3:
                self.known[node.output[0]] = _dequantised(node, *inputs)
            elif node.op_type == "Reshape" and len(inputs) == 2:
                self.known[node.output[0]] = inputs[0].reshape(inputs[1].astype(np.int64))

    def nodes(self, kind: str) -> list[onnx.NodeProto]:
        """Returns the nodes of a kind in their order; one at least."""
        found = [node for node in self.graph.node if node.op_type == kind]
        if not found or (kind == "Gemm" and len(found) > 1):
            raise ModelError(f"{self.file}: is not SFace; it has {len(found)} nodes of the kind {kind}")
        return found

    def values(self, node: onnx.NodeProto) -> list[NDArray[np.float32]]:
        """Returns a node's weights, in the order of its inputs."""
        found = [self.known[name] for name in node.input[1:] if name in self.known]
        if len(found) != len(node.input) - 1:
            raise ModelError(f"{self.file}: is not SFace; {node.name or node.op_type} lacks its weights")
        return [np.asarray(value, np.float32) for value in found]

    def epsilon(self, node: onnx.NodeProto) -> float:
        return next((entry.f for entry in node.attribute if entry.name == "epsilon"), 1e-5)

    def affine(self, norm: onnx.NodeProto) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns factor and shift of a normalisation."""
        gain, shift, mean, variance = self.values(norm)
        factor = gain / np.sqrt(variance + self.epsilon(norm))
        return factor, shift - mean * factor


def _dequantised(
    node: onnx.NodeProto, values: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any]
) -> NDArray[np.float32]:
    facts = {entry.name: entry.i for entry in node.attribute}
    axis, block = facts.get("axis", 1), facts.get("block_size", 0)
    if block:
        cut = [slice(None)] * values.ndim
        cut[axis] = slice(0, values.shape[axis])
        scale, zero = (np.repeat(each, block, axis)[tuple(cut)] for each in (scale, zero))
    return np.asarray((values.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)
