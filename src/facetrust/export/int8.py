"""int8 files, and the measurement that decides whether to ship one.

int8 is no gain by itself: it makes some nets faster and others several times slower, so `choose`
runs every form beside the float one and keeps what is faster at equal AUC.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import ExportError, MetricError, MissingExtra, first_line
from facetrust.export.parity import INT8_TOLERANCE, answers_of, as_faces, inputs_of
from facetrust.imaging import Pixels
from facetrust.model_file import open_session, read, save
from facetrust.records import ModelCard, Record

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

_PRODUCTS = ["Conv", "MatMul", "Gemm"]


class Variant(Record):
    """One form of a model as measured: `ratio` is its latency over the float form's (median of rounds).

    `latency` is the median in seconds of one face; differences are of scores from the float form's.
    """

    name: str
    path: str
    bytes: int
    latency: float
    ratio: float
    auc: float
    max_difference: float
    mean_difference: float


class Choice(Record):
    """Which form is worth shipping, why, and all that was measured for it."""

    kept: str
    path: str
    reason: str
    faces: int
    rounds: int
    threads: int
    variants: tuple[Variant, ...]


def quantize_dynamic(source: Path, out: Path) -> Path:
    """Returns the path of a copy with int8 weights, its activations scaled anew for every batch.

    Raises:
        ModelError: the source cannot be read.
        ExportError: ONNX Runtime's quantiser cannot work on it.
    """

    def write(quantization: Any, graph: onnx.ModelProto, part: Path) -> None:
        quantization.quantize_dynamic(
            graph,
            part,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=_PRODUCTS,
            nodes_to_exclude=_head(graph),
        )

    return _quantize(Path(source), Path(out), write)


def quantize_static(source: Path, out: Path, crops: Sequence[Pixels] | Pixels) -> Path:
    """Returns the path of a copy with int8 weights and activations, scaled by what `crops` showed.

    The form is QDQ; the head that makes evidence and score stays in float.

    Args:
        crops: calibration faces (N, h, w, 3) or (N, M, h, w, 3) uint8 RGB, none of them from a test split.

    Raises:
        ModelError: the source cannot be read.
        ExportError: crops do not fit the card, or ONNX Runtime's quantiser cannot work on it.
    """
    _, card = read(source)
    inputs = inputs_of(as_faces(crops, card.preprocessing), card.preprocessing, str(source))

    def write(quantization: Any, graph: onnx.ModelProto, part: Path) -> None:
        quantization.quantize_static(
            graph,
            part,
            _reader(quantization, inputs),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=[*_PRODUCTS, "Add", "Mul", "Clip", "Relu", "ReduceMean"],
            nodes_to_exclude=_head(graph),
        )

    return _quantize(Path(source), Path(out), write)


def choose(
    source: Path,
    crops: Sequence[Pixels] | Pixels,
    labels: ArrayLike,
    *,
    calibration: Sequence[Pixels] | Pixels,
    folder: Path | None = None,
    auc_loss: float = 0.002,
    faster: float = 0.95,
    rounds: int = 50,
    threads: int = 1,
) -> Choice:
    """Returns which form of a float .onnx file to ship: the fastest that ranks faces as well and moves no
    score by more than `INT8_TOLERANCE`.

    Float, dynamic and static int8 are timed turn by turn in one process, one face at a time.

    Args:
        crops: labelled faces of a dev split, as for `quantize_static`.
        labels: (N,) 1 = attack.
        calibration: faces for the static form, others than `crops`.
        folder: where `<stem>.dynamic.onnx` and `<stem>.static.onnx` go; the source's if none.
        auc_loss: how far below the float form's AUC still counts as equal.
        faster: the ratio of latencies from which on a form counts as faster; the rest is noise.

    Raises:
        ExportError, ModelError: as the quantisers.
        MetricError: the labels do not fit the faces or are of one class.
    """
    source = Path(source)
    folder = Path(folder) if folder else source.parent
    _, card = read(source)
    faces = as_faces(crops, card.preprocessing)
    truth = _check_labels(labels, len(faces))
    paths = {
        "float": source,
        "dynamic": quantize_dynamic(source, folder / f"{source.stem}.dynamic.onnx"),
        "static": quantize_static(source, folder / f"{source.stem}.static.onnx", calibration),
    }
    variants = _measure(paths, inputs_of(faces, card.preprocessing, str(source)), truth, rounds, threads)
    kept, reason = _decide(variants, auc_loss, faster)
    return Choice(
        kept=kept.name,
        path=kept.path,
        reason=reason,
        faces=len(faces),
        rounds=rounds,
        threads=threads,
        variants=variants,
    )


def _measure(
    paths: dict[str, Path], inputs: NDArray[np.float32], truth: NDArray[np.int64], rounds: int, threads: int
) -> tuple[Variant, ...]:
    sessions = {name: open_session(path, threads=threads) for name, path in paths.items()}
    margins = len(inputs) // len(truth)
    scores = {name: answers_of(session, inputs, margins=margins)[0] for name, session in sessions.items()}
    seconds = _turns(sessions, inputs[:margins], rounds)
    found = []
    for name, path in paths.items():
        off = np.abs(scores[name] - scores["float"])
        found.append(
            Variant(
                name=name,
                path=str(path),
                bytes=path.stat().st_size,
                latency=float(np.median(seconds[name])),
                ratio=float(np.median(seconds[name] / seconds["float"])),
                auc=_auc(truth, scores[name]),
                max_difference=float(off.max()),
                mean_difference=float(off.mean()),
            )
        )
    return tuple(found)


def _turns(
    sessions: dict[str, ort.InferenceSession], face: NDArray[np.float32], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Returns seconds (rounds,) per session; each round runs every session once."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(rounds + 3):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(None, {"image": face})
            if turn >= 3:  # The first runs still allocate.
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def _decide(variants: tuple[Variant, ...], auc_loss: float, faster: float) -> tuple[Variant, str]:
    """Returns the form to ship and a sentence with the figures that decided."""
    origin = variants[0]
    near = [v for v in variants[1:] if v.max_difference <= INT8_TOLERANCE]
    good = [v for v in near if v.auc >= origin.auc - auc_loss and v.ratio <= faster]
    if good:
        best = min(good, key=lambda v: v.ratio)
        share, ranking = f"{best.ratio:.2f} of the float time", f"{best.auc:.4f} against {origin.auc:.4f}"
        return best, f"{best.name} takes {share}; AUC {ranking}"
    others = "; ".join(
        f"{v.name}: {v.ratio:.2f} of its time, AUC {v.auc:.4f}, scores moved by up to {v.max_difference:.3f}"
        for v in variants[1:]
    )
    return origin, (
        f"no int8 form is faster at the AUC of float, {origin.auc:.4f}, with scores within {INT8_TOLERANCE} "
        f"({others})"
    )


def _auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Returns the area under the ROC by ranks, ties halved."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    attacks = int(labels.sum())
    above = ranks[labels == 1].sum() - attacks * (attacks + 1) / 2
    return float(above / (attacks * (len(labels) - attacks)))


def _check_labels(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    truth = np.asarray(labels).astype(np.int64)
    if truth.shape != (count,):
        raise MetricError(f"{truth.shape} labels for {count} faces; give one each")
    if set(truth.tolist()) != {0, 1}:
        raise MetricError("labels need both classes, 0 (bona fide) and 1 (attack), for an AUC")
    return truth


def _head(model: onnx.ModelProto) -> list[str]:
    """Returns the names of the nodes from the classifier to both outputs; they stay in float.

    The classifier is the last product before `evidence`. It is small, and its rounding would go
    straight into the score.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    found: list[str] = []
    waiting = ["evidence", "score"]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.append(node.name)
            if node.op_type not in _PRODUCTS:
                waiting.extend(node.input)
    return found


def _quantize(source: Path, out: Path, write: Callable[[Any, onnx.ModelProto, Path], None]) -> Path:
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise MissingExtra(error.name or "onnxruntime", "train") from None
    import onnx

    graph, card = read(source)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        ready, part = Path(folder) / "ready.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, str(ready))
        try:
            quantization.quant_pre_process(
                str(ready), str(ready), skip_symbolic_shape=True, skip_optimization=True
            )
            write(quantization, onnx.load(str(ready)), part)
        except Exception as error:  # The quantiser raises whatever its rules meet.
            raise ExportError(
                f"{source}: cannot be made int8 ({type(error).__name__}: {first_line(error)})"
            ) from error
        made = onnx.load(str(part))
    del made.graph.value_info[:]
    save(made, _int8_card(card), out)
    return out


def _int8_card(card: ModelCard) -> ModelCard:
    # What was measured on the float form, and thresholds fitted to it, are not this file's.
    return card.model_copy(update={"name": f"{card.name}-int8", "results": (), "thresholds": ()})


def _reader(quantization: Any, inputs: NDArray[np.float32]) -> Any:
    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Hands out the inputs in blocks."""

        def __init__(self) -> None:
            self.blocks: Iterator[NDArray[np.float32]] = iter(np.array_split(inputs, -(-len(inputs) // 16)))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            block = next(self.blocks, None)
            return None if block is None else {"image": block}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    # The quantiser writes advice about its own steps to the root logger.
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
