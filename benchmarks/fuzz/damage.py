"""Damage: a good file's bytes become others, as a generator of random numbers decides."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

Random = np.random.Generator
CHANGES = (1, 1, 1, 2, 3)  # How many there are of a file.
NUMBERS = (
    "0", "-1", "1e308", "-1e308", "1e999", "1e-400", "NaN", ".nan", "Infinity", "-.inf", "null", "true", "[]",
    "{}", '""', "''", "9" * 20, "9" * 5000, "0x7fffffffffffffff", "2147483648", "-9223372036854775809", "0.5",
    "1_000", "12:30:45", "2001-99-99", "100000",
)  # fmt: skip
TEXTS = (
    "\0", "\ufeff", "\u202e", "\u2028", "e\u0301" * 50, "\U0001f600", "\x1b[31m", "\x85", "\ud7ff",
    "\ufdfa" * 20, "\r", "\t", ",",
    '"', "'", "\n\n", ": ", "- ", "&a [*a, *a]", "*nobody", "%YAML 9.9\n", "<<: {a: 1}\n",
    "!!python/object/apply:os.getcwd []", "? []\n", "|\n", "/", "..", "A" * 100_000,
)  # fmt: skip


def flip(data: bytearray, rng: Random) -> None:
    """Flips up to 32 bits."""
    for at in rng.integers(len(data) * 8, size=rng.choice([1, 2, 4, 32])):
        data[at // 8] ^= 1 << (at % 8)


def cut(data: bytearray, rng: Random) -> None:
    """Leaves off the end."""
    del data[rng.integers(len(data)) :]


def block(data: bytearray, rng: Random) -> slice:
    """A part of up to an eighth of the file."""
    start = int(rng.integers(len(data)))
    return slice(start, start + 1 + int(rng.integers(1 + len(data) // 8)))


def swap(data: bytearray, rng: Random) -> None:
    """Lets a block change its place."""
    where = block(data, rng)
    part = data[where]
    del data[where]
    at = int(rng.integers(len(data) + 1))
    data[at:at] = part


def repeat(data: bytearray, rng: Random) -> None:
    """Lets a block come twice, or often."""
    where = block(data, rng)
    data[where] = data[where] * int(rng.choice([2, 2, 2, 50]))


def drop(data: bytearray, rng: Random) -> None:
    """Leaves out a block."""
    del data[block(data, rng)]


def noise(data: bytearray, rng: Random) -> None:
    """Writes chance over a block."""
    where = block(data, rng)
    data[where] = rng.bytes(len(data[where]))


def head(data: bytearray, rng: Random) -> None:
    """Writes other bytes into the first 64."""
    for at in rng.integers(min(len(data), 64), size=rng.integers(1, 5)):
        data[at] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))


def number(data: bytearray, rng: Random) -> None:
    """Writes an extreme number of 2, 4 or 8 bytes somewhere."""
    size = int(rng.choice([2, 4, 8]))
    most = 256**size - 1
    value = int(rng.choice(np.array([0, 1, most, most // 2, most // 2 + 1, 256 ** (size // 2)], object)))
    at = int(rng.integers(len(data)))
    data[at : at + size] = value.to_bytes(size, "big" if rng.random() < 0.5 else "little")


def of_bytes(data: bytes, rng: Random) -> bytes:
    """A copy with one to three kinds of damage."""
    copy = bytearray(data)
    for change in rng.choice(
        [flip, cut, swap, repeat, drop, noise, head, head, number, number], size=rng.choice(CHANGES)
    ):
        if copy:
            change(copy, rng)
    return bytes(copy)


def of_text(data: bytes, rng: Random) -> bytes:
    """A copy with other numbers, words, lines or nesting; one in four is damaged as bytes are."""
    if rng.random() < 0.25:
        return of_bytes(data, rng)
    text = data.decode()
    for _ in range(rng.choice(CHANGES)):
        text = TEXT_CHANGES[rng.integers(len(TEXT_CHANGES))](text, rng)
    return text.encode("utf-8", "surrogatepass")


def other_value(text: str, rng: Random) -> str:
    """Another number, or something else, in place of a number or a word."""
    found = list(re.finditer(r"[-+.\w]+", text))
    if not found:
        return text
    where = found[rng.integers(len(found))]
    return text[: where.start()] + str(rng.choice(NUMBERS)) + text[where.end() :]


def other_text(text: str, rng: Random) -> str:
    """Odd characters somewhere."""
    at = int(rng.integers(len(text) + 1))
    return text[:at] + str(TEXTS[rng.integers(len(TEXTS))]) + text[at:]


def other_lines(text: str, rng: Random) -> str:
    """A line that is gone, comes often, or stands elsewhere."""
    lines = text.splitlines(keepends=True) or [""]
    line = lines.pop(rng.integers(len(lines)))
    for _ in range(rng.choice([0, 1, 2, 1000])):
        lines.insert(rng.integers(len(lines) + 1), line)
    return "".join(lines)


def nested(text: str, rng: Random) -> str:
    """Deep nesting in place of a word, or of everything."""
    depth = int(rng.choice([3, 100, 2000, 60_000]))
    left, right = [("[", "]"), ("{a: ", "}"), ('{"a":', "}"), ("- ", ""), ("(", ")")][rng.integers(5)]
    value = left * depth + "1" + right * depth * int(rng.integers(2))
    found = list(re.finditer(r"\w+", text))
    if not found or rng.random() < 0.2:
        return value
    where = found[rng.integers(len(found))]
    return text[: where.start()] + value + text[where.end() :]


TEXT_CHANGES = (other_value, other_value, other_value, other_text, other_lines, nested)


def of_graph(data: bytes, rng: Random) -> bytes:
    """An ONNX file with another dimension, operator, attribute or wire; half are damaged as bytes are."""
    import onnx

    if rng.random() < 0.5:
        return of_bytes(data, rng)
    model = onnx.ModelProto.FromString(data)
    graph = model.graph
    extreme = int(rng.choice(np.array([-1, 0, 1, 2, 2**31 - 1, 2**31, 2**62, 100_000], object)))
    node = graph.node[rng.integers(len(graph.node))]
    kind = rng.integers(6)
    if kind == 0:
        tensor = graph.initializer[rng.integers(len(graph.initializer))]
        tensor.dims[rng.integers(len(tensor.dims))] = extreme
    elif kind == 1:
        value = [*graph.input, *graph.output][rng.integers(len(graph.input) + len(graph.output))]
        dims = value.type.tensor_type.shape.dim
        dims[rng.integers(len(dims))].dim_value = extreme
    elif kind == 2:
        node.op_type = str(
            rng.choice(["Loop", "If", "Softmax", "Resize", "Expand", "NonZero", "Einsum", "Cast", "NoSuch"])
        )
    elif kind == 3 and node.attribute:
        attribute = node.attribute[rng.integers(len(node.attribute))]
        attribute.ints[:] = [extreme] * int(rng.integers(1, 5))
    elif kind == 4:
        names = [name for each in graph.node for name in (*each.input, *each.output)] + ["", "nothing"]
        node.input[rng.integers(len(node.input))] = str(rng.choice(names))
    else:
        model.opset_import[0].version, model.ir_version = extreme, int(rng.choice([0, 3, 9, 99]))
    return model.SerializeToString()


def of_table(data: bytes, rng: Random) -> bytes:
    """A Parquet file with a column gone or of other values; half are damaged as bytes are."""
    import polars as pl

    if rng.random() < 0.5:
        return of_bytes(data, rng)
    made_by = pl.read_parquet_metadata(io.BytesIO(data)).get("facetrust")
    table = pl.read_parquet(io.BytesIO(data))
    name = table.columns[rng.integers(table.width)]
    values: tuple[Any, ...] = (
        None, float("nan"), float("inf"), -1, 2**63 - 1, 1e300, "", "\0", "x" * 100_000, "1", b"\xff", [1, 2],
        {"a": 1}, True,
    )  # fmt: skip
    value = values[rng.integers(len(values))]
    new = [pl.Series(name, [value] * table.height)] if rng.random() < 0.9 else []
    buffer = io.BytesIO()
    metadata = (
        None if made_by is None else {"facetrust": of_text(made_by.encode(), rng).decode(errors="replace")}
    )
    if rng.random() < 0.7 and made_by is not None:
        metadata = {"facetrust": made_by}
    table.drop(name).with_columns(new).write_parquet(buffer, metadata=metadata)
    return buffer.getvalue()
