"""An ONNX graph as a PyTorch module, for runtimes that PyTorch leads to; the operators of our own files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import ExportError


class TorchGraph(nn.Module):
    """Computes what an ONNX graph does.

    Sizes are numbers as soon as they are known, and so a graph is traced for the batch that it is given.

    Args:
        model: input `image` (B, 3, h, w) float32.
        outputs: names of what is answered, in their order.

    Raises:
        ExportError: an operator that none of our files has.
    """

    def __init__(self, model: onnx.ModelProto, outputs: Sequence[str]) -> None:
        super().__init__()
        self._outputs = tuple(outputs)
        self._nodes = [(node, _attributes(node)) for node in model.graph.node]
        for node, _ in self._nodes:
            if node.op_type not in _OPERATORS:
                raise ExportError(f"operator {node.op_type}: is not known here")
        self._numbers: dict[str, Any] = {"": None}
        self._weights: dict[str, str] = {}
        for n, entry in enumerate(model.graph.initializer):
            value = numpy_helper.to_array(entry)
            if value.dtype.kind == "f" and value.ndim:
                self._weights[entry.name] = f"weight_{n}"
                self.register_buffer(f"weight_{n}", torch.from_numpy(value.copy()))
            else:
                self._numbers[entry.name] = value.tolist()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Returns the outputs for images (B, 3, h, w)."""
        values = {**self._numbers, "image": image}
        for name, buffer in self._weights.items():
            values[name] = getattr(self, buffer)
        for node, how in self._nodes:
            given = [values[name] for name in node.input]
            values[node.output[0]] = _OPERATORS[node.op_type](*given, **how)
        return tuple(values[name] for name in self._outputs)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, **how: Any) -> Tensor:
    top, left, bottom, right = how.get("pads", (0, 0, 0, 0))
    x = functional.pad(x, (left, right, top, bottom)) if any((top, left, bottom, right)) else x
    stride, dilation = tuple(how.get("strides", (1, 1))), tuple(how.get("dilations", (1, 1)))
    return functional.conv2d(x, weight, bias, stride, 0, dilation, how.get("group", 1))


def _resize(x: Tensor, _: None, scales: None, sizes: list[int], **how: Any) -> Tensor:
    way = how.get("coordinate_transformation_mode", b"half_pixel")
    if how.get("mode") != b"linear" or way != b"half_pixel":
        raise ExportError("operator Resize: only linear, by half pixels, is known here")
    return functional.interpolate(x, sizes[2:], mode="bilinear", align_corners=False)


def _gemm(x: Tensor, weight: Tensor, bias: Tensor, **how: Any) -> Tensor:
    x = x.T if how.get("transA", 0) else x
    weight = weight.T if how.get("transB", 0) else weight
    return torch.addmm(bias, x, weight, beta=how.get("beta", 1.0), alpha=how.get("alpha", 1.0))


def _concat(*parts: Any, axis: int) -> Any:
    if isinstance(parts[0], list):
        return [each for part in parts for each in part]
    return torch.cat(parts, axis)


def _both(ours: Sequence[int], asked: Sequence[int]) -> list[int]:
    """The shape that both can be stretched to, by ONNX's rule for Expand."""
    longest = max(len(ours), len(asked))
    pairs = zip(*([1] * (longest - len(each)) + list(each) for each in (ours, asked)), strict=True)
    return [max(pair) for pair in pairs]


def _reshape(x: Tensor, shape: list[int], **how: Any) -> Tensor:
    if 0 in shape:
        raise ExportError("operator Reshape: a size of 0 is not known here")
    return x.reshape(shape)


def _clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    return x.clamp(-math.inf if low is None else low, math.inf if high is None else high)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": torch.div,
    "Exp": torch.exp,
    "Expand": lambda x, shape: torch.broadcast_to(x, _both(x.shape, shape)),
    "Gather": lambda x, index, axis=0: x.select(axis, index),
    "Gemm": _gemm,
    "HardSwish": functional.hardswish,
    "PRelu": lambda x, slope: functional.prelu(x, slope.reshape(-1)),
    "ReduceL2": lambda x, axes, keepdims=1, **_: torch.linalg.vector_norm(
        x, dim=axes, keepdim=bool(keepdims)
    ),
    "ReduceMax": lambda x, axes, keepdims=1, **_: x.amax(axes, keepdim=bool(keepdims)),
    "ReduceMean": lambda x, axes, keepdims=1, **_: x.mean(axes, keepdim=bool(keepdims)),
    "ReduceSum": lambda x, axes, keepdims=1, **_: x.sum(axes, keepdim=bool(keepdims)),
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda x, start=0, end=None: list(x.shape[start:end]),
    "Sigmoid": torch.sigmoid,
    "Softmax": lambda x, axis=-1: x.softmax(axis),
    "Sub": torch.sub,
}
