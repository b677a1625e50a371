"""ONNX Runtime sessions, quiet and with a stated number of threads; and where built files are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facetrust.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime as ort


def open_session(model: str | Path | bytes, *, threads: int = 1, source: str = "") -> ort.InferenceSession:
    """Returns a session on the CPU for an .onnx file or its bytes; `source` names it in errors.

    Args:
        threads: threads inside one operator; 0 lets ONNX Runtime take every core.

    Raises:
        ModelError: not an ONNX file, or one that this ONNX Runtime cannot run.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Shapes change from call to call, so planned memory would be planned anew each time.
    options.enable_mem_pattern = False
    # Waiting threads must not burn the cores that decoding needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for every kind of fault.
        text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ModelError(f"{source or model!s}: cannot be run by ONNX Runtime ({text})") from None


def cache_folder() -> Path:
    """Returns the folder for files that can be built again: `FACETRUST_CACHE`, or the platform's own."""
    if given := os.environ.get("FACETRUST_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "facetrust"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "facetrust"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facetrust"
