"""Peak memory, measured in a process of its own: what earlier work left behind would count otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

Size = tuple[int, int]


def peak_memory(model: str, engine: str, *, size: Size, threads: int = 1) -> int | None:
    """Returns the bytes that a model and one image through it add, at most, to a fresh process.

    The engine's own libraries are loaded before and not counted. None where the system does not
    tell, or the model does not run there.

    Args:
        model: a run folder or a name for torch (sentences, if it reads any, at each call), an .onnx
            file for onnxruntime.
    """
    order = json.dumps([model, engine, size, threads])
    command = [sys.executable, "-m", "facetrust.profile._memory", order]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    words = done.stdout.split()
    return int(words[-1]) if done.returncode == 0 and words else None


def _with_torch(model: str, size: Size, threads: int) -> int | None:
    import torch

    from facetrust import registry
    from facetrust.profile._network import as_published, open_network

    registry.find("models", "timm")  # Loads timm.
    with suppress(ImportError):
        import open_clip  # noqa: F401
    torch.set_num_threads(threads)
    before = _kilobytes("VmRSS")
    network = as_published(open_network(model, size).network)
    with torch.inference_mode():
        network(torch.zeros(1, 3, *size))
    return _added(before)


def _with_onnxruntime(model: str, size: Size, threads: int) -> int | None:
    import numpy as np
    import onnxruntime  # noqa: F401

    from facetrust.model_file import open_session

    before = _kilobytes("VmRSS")
    session = open_session(Path(model), threads=threads)
    (entry,) = session.get_inputs()
    channels = entry.shape[1] if isinstance(entry.shape[1], int) else 3
    session.run(None, {entry.name: np.zeros((1, channels, *size), np.float32)})
    return _added(before)


def _added(before: int | None) -> int | None:
    after = _kilobytes("VmHWM")
    return None if before is None or after is None else (after - before) * 1024


def _kilobytes(field: str) -> int | None:
    # getrusage's peak is inherited from the parent process on Linux, so it would not do.
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    lines = (line.split() for line in status.read_text().splitlines())
    return next((int(words[1]) for words in lines if words and words[0] == f"{field}:"), None)


if __name__ == "__main__":
    _model, _engine, _size, _threads = json.loads(sys.argv[1])
    _found = (_with_torch if _engine == "torch" else _with_onnxruntime)(_model, tuple(_size), _threads)
    sys.stdout.write("" if _found is None else str(_found))
