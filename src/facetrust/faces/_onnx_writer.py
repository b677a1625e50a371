"""ONNX files written without the `onnx` package: the few messages that the detector's graphs are made of.

An ONNX file is one protobuf message, and a protobuf message is its fields one after another: a number
that says which field follows and how it is written, then its content. The numbers below are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

Setting = int | str | Sequence[int]

_FLOAT = 1  # TensorProto.DataType
_INT, _STRING, _INTS = 2, 3, 7  # AttributeProto.AttributeType
_NUMBER, _BYTES = 0, 2  # How a field is written: as one number, or as its length and this many bytes.


def model(graph: bytes, *, opset: int, version: int) -> bytes:
    """Returns a ModelProto, which is the content of an .onnx file.

    Args:
        graph: what `graph` returns.
        opset: version of ONNX's own operators.
        version: version of the file format (`ir_version`).
    """
    operators = _text(1, "") + _number(2, opset)
    return _number(1, version) + _message(7, graph) + _message(8, operators)


def graph(
    name: str,
    nodes: Iterable[bytes],
    *,
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    constants: Iterable[bytes],
) -> bytes:
    """Returns a GraphProto of what `node`, `value` and `constant` return; nodes in the order they run in."""
    parts = [
        *(_message(1, each) for each in nodes),
        _text(2, name),
        *(_message(5, each) for each in constants),
        *(_message(11, each) for each in inputs),
        *(_message(12, each) for each in outputs),
    ]
    return b"".join(parts)


def node(kind: str, inputs: Sequence[str], output: str, settings: Mapping[str, Setting]) -> bytes:
    """Returns a NodeProto: one operator with one output; settings are integers, lists of them, or text."""
    parts = [
        *(_text(1, each) for each in inputs),
        _text(2, output),
        _text(4, kind),
        *(_message(5, _attribute(key, settings[key])) for key in sorted(settings)),
    ]
    return b"".join(parts)


def value(name: str, shape: Sequence[int | str]) -> bytes:
    """Returns a ValueInfoProto: a float32 input or output; a side that is not fixed has a name."""
    sides = [_text(2, side) if isinstance(side, str) else _number(1, side) for side in shape]
    tensor = _number(1, _FLOAT) + _message(2, b"".join(_message(1, side) for side in sides))
    return _text(1, name) + _message(2, _message(1, tensor))


def constant(name: str, array: np.ndarray) -> bytes:
    """Returns a TensorProto of float32, row by row."""
    content = np.ascontiguousarray(array, dtype="<f4").tobytes()
    sides = b"".join(_number(1, side) for side in array.shape)
    return sides + _number(2, _FLOAT) + _text(8, name) + _message(9, content)


def _attribute(name: str, setting: Setting) -> bytes:
    if isinstance(setting, int):
        content, kind = _number(3, setting), _INT
    elif isinstance(setting, str):
        content, kind = _text(4, setting), _STRING
    else:
        content, kind = b"".join(_number(8, each) for each in setting), _INTS
    return _text(1, name) + content + _number(20, kind)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3 | _NUMBER) + _varint(number)


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow. Negative ones as 64 bits."""
    number &= (1 << 64) - 1
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
