"""MTCNN's three nets as ONNX graphs, built once from the weight arrays and kept in the cache.

Facts of the nets: K. Zhang et al., Joint Face Detection and Alignment using Multitask Cascaded
Convolutional Networks, 2016, with unpadded convolutions as in the authors' code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facetrust.errors import ModelError
from facetrust.faces import _onnx_writer as writer
from facetrust.faces._mtcnn_weights import SHA256, Arrays, read_weights
from facetrust.model_file import open_session
from facetrust.records import cache_folder, write_whole

if TYPE_CHECKING:
    import onnxruntime as ort

_VERSION = 2  # Counts changes of the graphs, so that an old cache is not used.
# Per convolution, what follows: (kernel of the max pooling, its padding) or nothing.
_POOLS: dict[str, tuple[tuple[int, str] | None, ...]] = {
    "pnet": ((2, "SAME_UPPER"), None, None),
    "rnet": ((3, "SAME_UPPER"), (3, "VALID"), None),
    "onet": ((3, "SAME_UPPER"), (3, "VALID"), (2, "SAME_UPPER"), None),
}
_INPUTS: dict[str, tuple[str | int, str | int]] = {"pnet": ("h", "w"), "rnet": (24, 24), "onet": (48, 48)}
_HEADS = {"pnet": ("offsets", "face"), "rnet": ("offsets", "face"), "onet": ("offsets", "points", "face")}
_SIDES = {"offsets": 4, "points": 10, "face": 2}


def open_net(net: str, *, threads: int = 1) -> ort.InferenceSession:
    """Returns a session for `"pnet"`, `"rnet"` or `"onet"`, built on the first call and cached.

    Input `image` (B, 3, h, w) float32 RGB, (pixel - 127.5) / 128. Outputs `offsets` (B, 4[, h', w'])
    of x1, y1, x2, y2 in sides of the box, `points` (B, 10) for the O-Net (five x, then five y), and
    `face` (B, 2[, h', w']), the probabilities of "no face" and "face".

    Raises:
        ModelError: the weights are missing or are not the known ones.
    """
    path = cache_folder() / f"mtcnn-{_VERSION}-{SHA256[net][:12]}" / f"{net}.onnx"
    if path.is_file():
        try:
            return open_session(path, threads=threads)
        except ModelError:
            pass  # A damaged cache is built again.
    model = build_net(net, read_weights(net))
    _keep(path, model)
    return open_session(model, threads=threads, source=f"{net} of MTCNN")


def _keep(path: Path, model: bytes) -> None:
    try:
        write_whole(path, model)
    except OSError:
        return  # Without a cache the nets are built at every start; that takes a fraction of a second.


def build_net(net: str, arrays: Arrays) -> bytes:
    """Returns the ONNX file of one net around its arrays (kernels as height, width, in, out)."""
    graph = _Graph(arrays)
    x = "image"
    for pool in _POOLS[net]:
        x = graph.prelu(graph.conv(x))
        if pool:
            x = graph.node("MaxPool", x, kernel_shape=[pool[0]] * 2, strides=[2, 2], auto_pad=pool[1])
    dense = net != "pnet"
    if dense:
        # The arrays were made for features laid out as width, height, channel.
        x = graph.node("Flatten", graph.node("Transpose", x, perm=[0, 3, 2, 1]), axis=1)
        x = graph.prelu(graph.gemm(x))
    outputs = []
    for name in _HEADS[net]:
        head = graph.gemm(x) if dense else graph.conv(x)
        if name == "face":
            graph.node("Softmax", head, out=name, axis=1)
        else:
            graph.node("Identity", head, out=name)
        outputs.append(writer.value(name, ["n", _SIDES[name], *([] if dense else ["rows", "columns"])]))
    entry = writer.value("image", ["n", 3, *_INPUTS[net]])
    made = writer.graph(net, graph.nodes, inputs=[entry], outputs=outputs, constants=graph.constants)
    return writer.model(made, opset=17, version=8)


class _Graph:
    """Collects nodes; each layer takes its arrays from the list in order."""

    def __init__(self, arrays: Arrays) -> None:
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []
        self._arrays = iter(arrays)

    def node(self, kind: str, *inputs: str, out: str = "", **settings: writer.Setting) -> str:
        out = out or f"x{len(self.nodes)}"
        self.nodes.append(writer.node(kind, inputs, out, settings))
        return out

    def constant(self, array: np.ndarray) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(writer.constant(name, array))
        return name

    def conv(self, x: str) -> str:
        kernel, bias = next(self._arrays), next(self._arrays)
        return self.node("Conv", x, self.constant(kernel.transpose(3, 2, 0, 1)), self.constant(bias))

    def gemm(self, x: str) -> str:
        weight, bias = next(self._arrays), next(self._arrays)
        return self.node("Gemm", x, self.constant(weight), self.constant(bias))

    def prelu(self, x: str) -> str:
        slope = next(self._arrays)
        return self.node("PRelu", x, self.constant(slope.reshape(-1, 1, 1) if slope.ndim == 3 else slope))
