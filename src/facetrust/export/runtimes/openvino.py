"""OpenVINO's own format, for its runtimes on Intel's processors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ExportError, MissingExtra, ModelError, first_line
from facetrust.export.runtimes import check_ending, write_card

if TYPE_CHECKING:
    import openvino as library

SUFFIX, PACKAGE = ".xml", "openvino"


def convert(source: Path, out: Path) -> Path:
    """Returns the path of the .xml file made from one of our .onnx files.

    The weights lie beside it as `<stem>.bin`, in float32, and the card as `<stem>.json`, with the
    SHA-256 of the .bin file. Inputs and outputs keep their names and meaning.

    Raises:
        MissingExtra: openvino is not installed.
        ModelError: the source cannot be read.
        ExportError: OpenVINO cannot convert it, or `out` does not end in .xml.
    """
    core = _core()
    check_ending(out, SUFFIX)
    weights = out.with_suffix(".bin")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").unlink(missing_ok=True)
    try:
        # Its `convert_model` reads the same, but tells its maker so. Half precision, the default of
        # `save_model`, would not pass the parity that the source passed.
        _library().save_model(core.read_model(str(source)), str(out), compress_to_fp16=False)
        return write_card(source, out, weights)
    except ModelError:
        _remove(out, weights)
        raise
    except Exception as error:  # OpenVINO raises kinds of its own.
        _remove(out, weights)
        raise ExportError(f"{source}: OpenVINO cannot convert it ({first_line(error)})") from None


def open_file(path: Path, threads: int = 1) -> OpenVINOSession:
    """Returns a session on the CPU.

    Raises:
        MissingExtra: openvino is not installed.
        ModelError: it cannot be opened.
    """
    core = _core()
    # Where a processor computes in half precision, OpenVINO would too.
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    try:
        return OpenVINOSession(core.compile_model(str(path), "CPU", how))
    except Exception as error:  # OpenVINO raises kinds of its own.
        raise ModelError(f"{path}: cannot be run by OpenVINO ({first_line(error)})") from None


class OpenVINOSession:
    """A compiled model."""

    def __init__(self, compiled: library.CompiledModel) -> None:
        self._compiled = compiled

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], /) -> list[NDArray[Any]]:
        """Returns the named outputs."""
        found = self._compiled(dict(inputs))
        return [np.array(found[name]) for name in outputs]


def _library() -> Any:
    try:
        import openvino
    except ImportError:
        raise MissingExtra("openvino", "openvino") from None
    return openvino


def _core() -> Any:
    return _library().Core()


def _remove(*files: Path) -> None:
    for each in files:
        each.unlink(missing_ok=True)
