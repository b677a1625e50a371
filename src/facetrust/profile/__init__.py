"""What a model costs: parameters, multiply-accumulates, time, memory; and two models side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MissingExtra, UsageError
from facetrust.profile._memory import peak_memory
from facetrust.profile._subject import Engine, Size, Subject, open_subjects
from facetrust.profile._timing import take_turns
from facetrust.records import Record

Quantity = Literal["parameters", "macs", "latency", "throughput", "memory"]

# The grading bands of the T-FLIP report: how far a student is below its teacher, or how much faster.
_BANDS = ("successful", "more successful", "very successful")
_SMALLER, _QUICKER = (0.5, 0.7, 0.9), (2.0, 2.25, 2.5)
_EDGE = 1e-9  # A reduction of exactly 70 % must not be lost to rounding.


class Profile(Record):
    """One model in one engine.

    `macs` are those of one image: convolutions, linear layers and matrix products, attention's two
    among them; norms and activations are not counted. A face takes `crops` images. `bytes` is the
    size of the file, or of the weights in memory. Latency is of one image, in seconds; throughput
    in images per second by batch size; `peak_memory` in bytes, what the model and one image add to
    a fresh process.
    """

    model: str
    engine: Engine
    size: Size
    crops: int
    parameters: int
    macs: int
    bytes: int
    latency_p50: float
    latency_p95: float
    throughput: dict[int, float]
    peak_memory: int | None = None


class Ratio(Record):
    """A model's figure over that of the model it is held against, and the band it reaches, if it has bands.

    Times are the median over rounds of the ratio within a round. `batch` belongs to throughput.
    """

    engine: Engine
    quantity: Quantity
    ratio: float
    batch: int | None = None
    band: str | None = None


class ProfileReport(Record):
    """Profiles of one model or two (the model, then what it is held against, engine by engine)."""

    profiles: tuple[Profile, ...]
    ratios: tuple[Ratio, ...] = ()
    threads: int
    rounds: int

    def to_json(self) -> str:
        """Returns the report as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"


def profile(
    model: str | Path,
    *,
    vs: str | Path | None = None,
    engines: Sequence[Engine] = ("torch", "onnxruntime"),
    batches: Sequence[int] = (1, 8, 32),
    size: Size | None = None,
    rounds: int = 50,
    threads: int = 1,
    memory: bool = True,
    budget: float = 20.0,
) -> ProfileReport:
    """Returns what a model costs on this machine's CPU, and its ratios to another one.

    Two models run turn by turn in one process, on random images.

    Args:
        model: a run folder, a name that `create_model` takes, or an .onnx file (ONNX Runtime only).
        vs: the model to hold it against, a teacher as a rule.
        size: (height, width); by default the card's or the file's, for a bare name 224x224.
        rounds: timed calls of each, fewer where `budget` seconds end first (at least 3).
        memory: also start a process per model and engine to measure its peak memory.

    Raises:
        UsageError: an argument is wrong, or the network does not take the size.
        ModelError: a model cannot be read, or its products cannot be counted.
        ExportError: a network cannot be handed to ONNX Runtime; leave that engine out.
    """
    wanted = _check(engines, batches, rounds, threads)
    names = [str(model)] if vs is None else [str(model), str(vs)]
    profiles: list[Profile] = []
    ratios: list[Ratio] = []
    with tempfile.TemporaryDirectory() as scratch, _torch_threads(threads, names):
        opened = [
            open_subjects(name, wanted, size=size, threads=threads, scratch=Path(scratch)) for name in names
        ]
        shared = [
            engine for engine in wanted if all(any(s.engine == engine for s in found) for found in opened)
        ]
        if not shared:
            raise UsageError(
                f"{names[0]} and {names[-1]} share no engine; hold .onnx files against onnxruntime"
            )
        for engine in shared:
            pair = [next(s for s in found if s.engine == engine) for found in opened]
            rows, times = _measure(pair, sorted(set(batches)), rounds, threads, budget, memory=memory)
            profiles += rows
            if vs is not None:
                ratios += _ratios(rows[0], rows[1], times)
    return ProfileReport(profiles=tuple(profiles), ratios=tuple(ratios), threads=threads, rounds=rounds)


def band(quantity: Quantity, ratio: float) -> str | None:
    """Returns the band that a ratio reaches, or None below the first and for quantities without bands.

    Parameters and MACs at least 50, 70, 90 % down, or throughput at least 2, 2.25, 2.5 times up, are
    "successful", "more successful" and "very successful".
    """
    if quantity in ("parameters", "macs"):
        reached = sum(1 - ratio >= edge - _EDGE for edge in _SMALLER)
    elif quantity == "throughput":
        reached = sum(ratio >= edge - _EDGE for edge in _QUICKER)
    else:
        return None
    return _BANDS[reached - 1] if reached else None


def _check(
    engines: Sequence[Engine], batches: Sequence[int], rounds: int, threads: int
) -> tuple[Engine, ...]:
    unknown = [engine for engine in engines if engine not in get_args(Engine)]
    if unknown or not engines:
        raise UsageError(f"engines: {unknown or 'none given'}; known are {', '.join(get_args(Engine))}")
    if not batches or min(batches) < 1 or rounds < 1 or threads < 1:
        raise UsageError("batches, rounds and threads start at 1")
    return tuple(engines)


def _measure(
    pair: list[Subject], batches: list[int], rounds: int, threads: int, budget: float, *, memory: bool
) -> tuple[list[Profile], dict[int, NDArray[np.float64]]]:
    """Returns a profile per subject, and seconds (len(pair), R) by batch size; 1 is always among them."""
    times = {
        batch: take_turns([subject.run(batch) for subject in pair], rounds=rounds, budget=budget)
        for batch in sorted({1, *batches})
        if all(subject.fixed_batch in (None, batch) for subject in pair)
    }
    if 1 not in times:
        raise UsageError(
            f"{pair[-1].model}: its graph is fixed to another batch than 1; one image cannot be timed"
        )
    rows = []
    for place, subject in enumerate(pair):
        rows.append(
            Profile(
                model=subject.model,
                engine=subject.engine,
                size=subject.size,
                crops=subject.crops,
                parameters=subject.parameters,
                macs=subject.macs,
                bytes=subject.bytes,
                latency_p50=float(np.percentile(times[1][place], 50)),
                latency_p95=float(np.percentile(times[1][place], 95)),
                throughput={b: b / float(np.median(times[b][place])) for b in batches if b in times},
                peak_memory=_peak(subject, threads) if memory else None,
            )
        )
    return rows, times


def _peak(subject: Subject, threads: int) -> int | None:
    return peak_memory(subject.source, subject.engine, size=subject.size, threads=threads)


def _ratios(ours: Profile, theirs: Profile, times: dict[int, NDArray[np.float64]]) -> list[Ratio]:
    found = [
        _ratio(ours.engine, "parameters", ours.parameters / max(1, theirs.parameters)),
        _ratio(ours.engine, "macs", ours.macs / max(1, theirs.macs)),
        _ratio(ours.engine, "latency", float(np.median(times[1][0] / times[1][1]))),
    ]
    for batch in ours.throughput:
        quicker = float(np.median(times[batch][1] / times[batch][0]))
        found.append(_ratio(ours.engine, "throughput", quicker, batch=batch))
    if ours.peak_memory and theirs.peak_memory:
        found.append(_ratio(ours.engine, "memory", ours.peak_memory / theirs.peak_memory))
    return found


def _ratio(engine: Engine, quantity: Quantity, ratio: float, *, batch: int | None = None) -> Ratio:
    return Ratio(engine=engine, quantity=quantity, ratio=ratio, batch=batch, band=band(quantity, ratio))


@contextmanager
def _torch_threads(threads: int, names: list[str]) -> Iterator[None]:
    """Sets torch's threads, unless there are only .onnx files; those are profiled without torch."""
    if all(name.endswith(".onnx") for name in names):
        yield
        return
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "train") from None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
