"""The weight arrays of the installed `mtcnn` distribution, read without running anything of it.

The files are joblib pickles. A pickle can run any code, so a file must have the SHA-256 known here,
and is then read by an unpickler that knows float arrays and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ModelError

SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
_HINT = "install it again: pip install --force-reinstall --no-deps 'mtcnn==1.0.0'"
Arrays = list[NDArray[np.float32]]


def read_weights(net: str) -> Arrays:
    """Returns the arrays of `"pnet"`, `"rnet"` or `"onet"` in the order of the layers.

    Raises:
        ModelError: `mtcnn` is not installed, its file is missing, or the file is not the known one.
    """
    path = weight_file(net)
    try:
        data = path.read_bytes()
    except OSError:
        raise ModelError(f"{path}: the weights of the MTCNN detector are missing; {_HINT}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[net]:
        raise ModelError(f"{path}: SHA-256 is {found[:12]}…, {SHA256[net][:12]}… is known; {_HINT}")
    return unpack(data, str(path))


def weight_file(net: str) -> Path:
    """Returns where the installed `mtcnn` distribution keeps a net's weights; `mtcnn` is not imported."""
    try:
        found = distribution("mtcnn").locate_file(f"mtcnn/assets/weights/{net}.lz4")
    except PackageNotFoundError:
        raise ModelError(
            "the mtcnn package, which holds the detector's weights, is missing; run: pip install mtcnn"
        ) from None
    return Path(str(found))


def unpack(data: bytes, source: str) -> Arrays:
    """Returns the float32 arrays in a joblib pickle compressed by lz4; `source` names it in errors.

    Raises:
        ModelError: damaged, or it holds anything but a list of arrays.
    """
    try:
        import lz4.frame
    except ImportError:
        raise ModelError(f"{source}: needs the lz4 package; run: pip install lz4") from None
    try:
        arrays = _ArrayUnpickler(io.BytesIO(lz4.frame.decompress(data))).load()
    except ModelError:
        raise
    except Exception as error:  # A damaged pickle can fail in any way.
        raise ModelError(f"{source}: is damaged ({type(error).__name__}); {_HINT}") from None
    if not isinstance(arrays, list) or not all(isinstance(array, np.ndarray) for array in arrays):
        raise ModelError(f"{source}: does not hold a list of arrays; {_HINT}")
    return arrays


# The type stubs do not know that pickle also keeps the unpickler that is written in Python.
_Unpickler: Any = pickle._Unpickler


class _Wrapper:
    """Stands for joblib's NumpyArrayWrapper: says what array follows in the stream."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.shape = tuple(int(side) for side in state["shape"])
        self.order = "F" if state["order"] == "F" else "C"
        if np.dtype(state["dtype"]) != np.dtype("<f4") or min(self.shape) < 1:
            raise ModelError("the weights hold an array that is not float32")
        self.aligned = state.get("numpy_array_alignment_bytes") is not None

    def read(self, stream: io.BytesIO) -> NDArray[np.float32]:
        """Returns the array whose bytes come next in the stream."""
        if self.aligned:
            stream.read(stream.read(1)[0])
        count = int(np.prod(self.shape, dtype=np.int64))
        flat = np.frombuffer(stream.read(4 * count), dtype="<f4", count=count)
        return flat.reshape(self.shape, order="F" if self.order == "F" else "C").astype(np.float32)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapper,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(_Unpickler):
    """An unpickler for lists of float arrays; any other name in the stream is an error.

    The arrays' bytes lie between the opcodes, so it must be the one written in Python, whose
    opcodes can be extended; the one written in C reads ahead.
    """

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._stream = stream

    def find_class(self, module: str, name: str) -> Any:
        """Returns one of the three allowed classes.

        Raises:
            ModelError: the stream names anything else.
        """
        if (module, name) not in _ALLOWED:
            raise ModelError(f"the weights name {module}.{name}, which is not an array; they were not loaded")
        return _ALLOWED[module, name]

    def load_build(self) -> None:
        """Puts the array itself on the stack once its wrapper is complete."""
        super().load_build()
        if isinstance(self.stack[-1], _Wrapper):
            self.stack.append(self.stack.pop().read(self._stream))

    dispatch: ClassVar[dict[int, Any]] = {**_Unpickler.dispatch, pickle.BUILD[0]: load_build}
