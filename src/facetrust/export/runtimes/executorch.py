"""ExecuTorch's format, for telephones and small devices; PyTorch's own runtime for these, by XNNPACK."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ExportError, MissingExtra, ModelError, first_line
from facetrust.export.runtimes import check_ending, write_card
from facetrust.model_file import read
from facetrust.records import ModelCard, write_whole
from facetrust.tasks import task_named

if TYPE_CHECKING:
    import onnx

SUFFIX, PACKAGE = ".pte", "executorch"


def convert(source: Path, out: Path) -> Path:
    """Returns the path of the .pte file made from one of our .onnx files, in float32, its card beside it.

    It takes one image (1, 3, h, w) at a time. Its outputs have no names, but an order: the score, then the
    evidence; or the embedding; or the classes.

    Raises:
        MissingExtra: executorch is not installed.
        ModelError: the source cannot be read.
        ExportError: ExecuTorch cannot convert it, or `out` does not end in .pte.
    """
    with _quiet():
        import executorch.exir  # noqa: F401
    check_ending(out, SUFFIX)
    graph, card = read(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").unlink(missing_ok=True)
    try:
        content = _lowered(graph, card)
    except ExportError as error:
        raise ExportError(f"{source}: {error}") from None
    except Exception as error:  # PyTorch and ExecuTorch raise many kinds.
        raise ExportError(f"{source}: ExecuTorch cannot convert it ({first_line(error)})") from None
    write_whole(out, content)
    return write_card(source, out, out)


def open_file(path: Path, threads: int = 1) -> ExecuTorchSession:
    """Returns a session on the CPU; it takes as many threads as XNNPACK likes.

    Raises:
        MissingExtra: executorch is not installed.
        ModelError: it cannot be opened, or has no card beside it.
    """
    with _quiet():
        from executorch.runtime import Runtime
    beside = path.with_suffix(".json")
    try:
        card = ModelCard.from_json(beside.read_bytes(), str(beside))
        with _quiet():
            method = Runtime.get().load_program(path).load_method("forward")
        return ExecuTorchSession(method, _outputs(card))
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path}: cannot be run by ExecuTorch ({first_line(error)})") from None


class ExecuTorchSession:
    """A loaded program, which is asked for one image after the other."""

    def __init__(self, method: Any, outputs: Sequence[str]) -> None:
        self._method = method
        self._outputs = tuple(outputs)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], /) -> list[NDArray[Any]]:
        """Returns the named outputs."""
        import torch

        rows = []
        for image in inputs["image"]:
            found = self._method.execute([torch.from_numpy(np.ascontiguousarray(image[None]))])
            rows.append([each.numpy().copy() for each in found])
        columns = dict(zip(self._outputs, zip(*rows, strict=True), strict=True))
        return [np.concatenate(columns[name]) for name in outputs]


def _outputs(card: ModelCard) -> tuple[str, ...]:
    output = task_named(card.task).output
    return ("score", "evidence") if output == "score" else (output,)


@contextmanager
def _quiet() -> Iterator[None]:
    """Names the extra where the package is missing; drops what it and PyTorch warn of about themselves."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImportError:
        raise MissingExtra("executorch", "executorch") from None


def _lowered(graph: onnx.ModelProto, card: ModelCard) -> bytes:
    """A program of a graph, traced for one image."""
    import torch

    from facetrust.export._torch_graph import TorchGraph

    network = TorchGraph(graph, _outputs(card)).eval()
    with _quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        traced = torch.export.export(network, (torch.zeros(1, 3, *card.preprocessing.size),))
        lowered = to_edge_transform_and_lower(traced, partitioner=[XnnpackPartitioner()])
        return bytes(lowered.to_executorch().buffer)
