"""Reads verification packs (`lfw.bin`, `cfp_fp.bin` …): pictures of pairs, and which pairs show one person.

insightface writes them as a pickle of two lists: encoded pictures, two per pair, and one truth value per
pair. Python's own reader runs whatever code a pickle asks for. Here the file's operations are carried out
one by one by `_Reading`, which knows lists, tuples, bytes, text, numbers, and NumPy's way of writing numbers;
a class or a function is only a name to it, and is never looked up.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ManifestError, first_line

_FOLDS = 10
_ONE_BYTE = "latin1"  # Python 2 wrote bytes as text; in Latin 1 each character is one byte again.
_KINDS = ("b1", "u1", "i1", "i4", "i8")


class Pack(NamedTuple):
    """Encoded pictures (2N), those of pair n at 2n and 2n + 1, and whether pair n shows one person (N)."""

    pictures: list[bytes]
    same: list[bool]

    @property
    def folds(self) -> list[int]:
        """The fold of each pair, from 1: ten runs of pairs that follow each other, the first the longest."""
        runs = np.array_split(np.arange(len(self.same)), _FOLDS)
        return [fold for fold, run in enumerate(runs, start=1) for _ in run]


def read_pack(path: Path) -> Pack:
    """Returns what is in a verification pack; nothing in it is run.

    Raises:
        ManifestError: missing, no such pack, or a pickle that asks for anything but plain data.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: the verification pack is missing; unpack the data set again")
    try:
        found = _Reading().of(path.read_bytes())
    except _NotPlainError as error:
        raise ManifestError(f"{path}: asks for {error}, which is no plain data; nothing was run") from None
    except Exception as error:  # A file that is no pickle makes the reader stumble on anything.
        raise ManifestError(f"{path}: is not a verification pack ({first_line(error)})") from None
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise ManifestError(f"{path}: is not a verification pack; it holds no pictures and truth values")
    pictures, same = (each.tolist() if isinstance(each, np.ndarray) else each for each in found)
    for values in (pictures, same):
        if not isinstance(values, list | tuple):
            raise ManifestError(f"{path}: is not a verification pack; it holds no pictures and truth values")
    if not same or len(pictures) != 2 * len(same):
        raise ManifestError(f"{path}: needs two pictures for every truth value, and at least one pair")
    return Pack([_encoded(each, path) for each in pictures], [_truth(each, path) for each in same])


def _encoded(value: Any, path: Path) -> bytes:
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return value.tobytes()
    if not isinstance(value, bytes | str):
        raise ManifestError(f"{path}: holds {type(value).__name__} in place of an encoded picture")
    return _bytes(value)


def _truth(value: Any, path: Path) -> bool:
    if not isinstance(value, bool | int) or value not in (0, 1):
        raise ManifestError(f"{path}: holds {type(value).__name__} in place of a truth value")
    return bool(value)


class _NotPlainError(Exception):
    """A pickle asks for something that is no plain data; the message names it."""


class _Name(NamedTuple):
    """A class or function that a pickle names. It stays a name."""

    name: str


class _Blank:
    """An array whose numbers are yet to come."""


_MARK = object()
# Operations whose value stands in the file, and those whose value is known.
_GIVEN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_KNOWN = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Reading:
    """One reading of a pickle: its stack, and the values that it refers to again."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.noted: dict[int, Any] = {}

    def of(self, content: bytes) -> Any:
        """Returns the value that a pickle describes."""
        for operation, argument, _ in pickletools.genops(content):
            name = operation.name
            if name == "STOP":
                return self.stack.pop()
            if name in _GIVEN:
                self.stack.append(argument)
            elif name in _KNOWN:
                self.stack.append(_KNOWN[name])
            elif name not in ("PROTO", "FRAME"):
                step = _STEPS.get(name)
                if step is None:
                    raise _NotPlainError(f"the operation {name}")
                step(self, argument)
        raise ValueError("it has no end")

    def since_mark(self) -> list[Any]:
        """Takes what was laid on the stack since the last mark, and the mark."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
        values = self.stack[start + 1 :]
        del self.stack[start:]
        return values

    def last_of(self, count: int) -> tuple[Any, ...]:
        """Takes the last values of the stack."""
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def extend(self, values: list[Any]) -> None:
        """Puts values into the list at the top."""
        if not isinstance(self.stack[-1], list):
            raise _NotPlainError("items in what is no list")
        self.stack[-1].extend(values)

    def put(self, key: int) -> None:
        """Notes the value at the top."""
        self.noted[key] = self.stack[-1]

    def push_global(self) -> None:
        """Lays a name on the stack that is made of two texts."""
        self.stack.append(_Name(".".join(map(str, self.last_of(2)))))

    def reduce(self) -> None:
        """Makes what a known name and its arguments describe."""
        called, arguments = self.last_of(2)
        self.stack.append(_made(called.name if isinstance(called, _Name) else "a call", arguments))

    def build(self) -> None:
        """Gives an array its numbers; a kind of number is complete."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], _Blank):
            _, shape, kind, _, numbers = state
            blank = self.stack[-1]
            self.stack[-1] = _numbers(kind, numbers).reshape(shape)
            self.noted |= {key: self.stack[-1] for key, value in self.noted.items() if value is blank}
        elif not isinstance(self.stack[-1], np.dtype) or state[1] not in ("<", "|", b"<", b"|"):
            raise _NotPlainError("an object with a state of its own")


_Step = Callable[[_Reading, Any], object]
_STEPS: dict[str, _Step] = {
    "MARK": lambda read, _: read.stack.append(_MARK),
    "POP": lambda read, _: read.stack.pop(),
    "EMPTY_LIST": lambda read, _: read.stack.append([]),
    "EMPTY_TUPLE": lambda read, _: read.stack.append(()),
    "LIST": lambda read, _: read.stack.append(read.since_mark()),
    "TUPLE": lambda read, _: read.stack.append(tuple(read.since_mark())),
    "TUPLE1": lambda read, _: read.stack.append(read.last_of(1)),
    "TUPLE2": lambda read, _: read.stack.append(read.last_of(2)),
    "TUPLE3": lambda read, _: read.stack.append(read.last_of(3)),
    "APPEND": lambda read, _: read.extend([read.stack.pop()]),
    "APPENDS": lambda read, _: read.extend(read.since_mark()),
    "MEMOIZE": lambda read, _: read.put(len(read.noted)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda read, key: read.put(key)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda read, key: read.stack.append(read.noted[key])),
    "GLOBAL": lambda read, text: read.stack.append(_Name(text.replace(" ", "."))),
    "STACK_GLOBAL": lambda read, _: read.push_global(),
    "REDUCE": lambda read, _: read.reduce(),
    "BUILD": lambda read, _: read.build(),
}


def _made(name: str, arguments: Any) -> Any:
    """Returns the value of the few calls that stand for plain data, by our own means."""
    match name.replace("numpy._core.", "numpy.core."), arguments:
        case "_codecs.encode", (str() as text, "latin1"):  # How Python 3 writes bytes for Python 2.
            return _bytes(text)
        case "numpy.dtype", (str() | bytes() as kind, *_):
            short = kind.decode("ascii") if isinstance(kind, bytes) else kind
            if short in _KINDS:
                return np.dtype(short)
            raise _NotPlainError(f"numbers of the kind {short!r}")
        case "numpy.core.multiarray._reconstruct", _:
            return _Blank()
        case "numpy.core.multiarray.scalar", (kind, numbers):
            return _numbers(kind, numbers)[0].item()
    raise _NotPlainError(name)


def _numbers(kind: Any, content: Any) -> NDArray[Any]:
    if not isinstance(kind, np.dtype) or not isinstance(content, str | bytes):
        raise _NotPlainError("numbers of no known kind")
    return np.frombuffer(_bytes(content), kind)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(_ONE_BYTE)
