"""What is profiled: a run folder, an .onnx file or a name, ready to run in one engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from facetrust.errors import MissingExtra, ModelError, UsageError
from facetrust.model_file import card_inside, locate, names, open_session
from facetrust.profile import _onnx_macs, _torch_macs
from facetrust.profile._network import USUAL, Opened, Size, Text, forms_of, open_network

if TYPE_CHECKING:
    from torch import nn

Engine = Literal["torch", "onnxruntime"]
Run = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """A model in one engine: its figures, and `run(batch)`, which makes a call that runs a batch once.

    `source` is what a fresh process would load: the model itself, or the file traced from it.
    `text` says when the sentences of a network that reads some are encoded.
    """

    model: str
    text: Text | None
    source: str
    engine: Engine
    size: Size
    crops: int
    parameters: int
    macs: int
    bytes: int
    fixed_batch: int | None
    run: Callable[[int], Run] = field(repr=False)


def open_subjects(
    model: str, engines: tuple[Engine, ...], *, size: Size | None, threads: int, scratch: Path
) -> list[Subject]:
    """Returns the model in each engine that can run it; an .onnx file or bundled model by ONNX Runtime only.

    A network with a text tower comes in two forms in torch. In a graph its sentences are constants,
    so that ONNX Runtime has the form with cached text only.

    Raises:
        UsageError: no engine is left, or the network does not take the size.
        ModelError: missing or damaged.
    """
    if is_exported(model):
        if "onnxruntime" not in engines:
            raise UsageError(
                f"{model}: an .onnx file is run by onnxruntime; asked for was {', '.join(engines)}"
            )
        return [_onnx_subject(model, locate(model), size=size, threads=threads)]
    opened = open_network(model, size)
    forms = forms_of(opened.network)
    subjects: list[Subject] = []
    for engine in engines:
        if engine == "torch":
            subjects += [_torch_subject(model, opened._replace(network=forms[text]), text) for text in forms]
        else:
            text = list(forms)[-1]
            path = _traced(model, forms[text], opened.size, scratch)
            subjects.append(
                _onnx_subject(model, path, size=opened.size, threads=threads, crops=opened.crops, text=text)
            )
    return subjects


def is_exported(model: str) -> bool:
    """Whether a model is an .onnx file or a model's name, not a run folder or a network's name."""
    return not Path(model).is_dir() and (model.endswith(".onnx") or model in names())


def _torch_subject(model: str, opened: Opened, text: Text | None) -> Subject:
    import torch

    network, size, crops = opened

    def run(batch: int) -> Run:
        images = torch.from_numpy(_images(batch, size))

        def once() -> object:
            with torch.inference_mode():
                return network(images)

        return once

    return Subject(
        model=model,
        text=text,
        source=model,
        engine="torch",
        size=size,
        crops=crops,
        parameters=sum(p.numel() for p in network.parameters()),
        macs=_torch_macs.count_macs(network, (1, 3, *size)),
        bytes=sum(t.numel() * t.element_size() for t in network.state_dict().values()),
        fixed_batch=None,
        run=run,
    )


def _traced(model: str, network: nn.Module, size: Size, scratch: Path) -> Path:
    from facetrust.export.onnx import trace

    path = scratch / f"{len(list(scratch.iterdir()))}.onnx"
    path.write_bytes(trace(network, size, name=model).SerializeToString())
    return path


def _onnx_subject(
    model: str,
    path: Path,
    *,
    size: Size | None,
    threads: int,
    crops: int = 0,
    text: Text | None = None,
) -> Subject:
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtra("onnx", "profile") from None
    session = open_session(path, threads=threads)
    graph = onnx.load(str(path))
    (entry, *others) = session.get_inputs()
    if others or len(entry.shape) != 4 or entry.type != "tensor(float)":
        raise ModelError(
            f"{path}: needs one float input (B, 3, h, w); it has {[i.name for i in session.get_inputs()]}"
        )
    card = card_inside(session, str(path))
    batch, *rest = (side if isinstance(side, int) else None for side in entry.shape)
    height, width = size or USUAL
    shape = (rest[0] or 3, rest[1] or height, rest[2] or width)

    def run(count: int) -> Run:
        feed = {entry.name: _images(count, shape[1:], channels=shape[0])}
        return lambda: session.run(None, feed)

    return Subject(
        model=model,
        text=text,
        source=str(path),
        engine="onnxruntime",
        size=shape[1:],
        crops=crops or (len(card.preprocessing.margins) if card else 1),
        parameters=_onnx_macs.count_parameters(graph),
        macs=_onnx_macs.count_macs(graph, (1, *shape)),
        bytes=path.stat().st_size,
        fixed_batch=batch,
        run=run,
    )


def _images(batch: int, size: Size, *, channels: int = 3) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((batch, channels, *size), dtype=np.float32)
