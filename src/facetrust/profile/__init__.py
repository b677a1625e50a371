"""What a model costs: parameters, multiply-accumulates, time, memory; and two models side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MissingExtra, UsageError
from facetrust.profile._bands import Quantity, band
from facetrust.profile._memory import peak_memory
from facetrust.profile._network import Size, Text
from facetrust.profile._subject import Engine, Subject, is_exported, open_subjects
from facetrust.profile._timing import take_turns
from facetrust.records import Record

__all__ = ["Engine", "Profile", "ProfileReport", "Quantity", "Ratio", "Text", "band", "profile"]


class Profile(Record):
    """One model in one engine.

    `macs` are those of one image: convolutions, linear layers and matrix products, attention's two
    among them; norms and activations are not counted. A face takes `crops` images. `bytes` is the
    size of the file, or of the weights in memory. Latency is of one image, in seconds; throughput
    in images per second by batch size; `peak_memory` in bytes, what the model and one image add to
    a fresh process.

    A network that compares images with sentences is profiled twice in torch. `text` is `each call`
    where the text tower runs whenever the network is called, over sentences filled up to its full
    length, as the authors' code does: the MACs of all sentences are in those of one image, while a
    batch shares them. It is `cached` where their embeddings are kept and the text tower is gone;
    the peak memory of that form in torch is not measured.
    """

    model: str
    text: Text | None = None
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

    Times are the median over rounds of the ratio within a round. `batch` belongs to throughput, `text`
    says which form of a network that reads sentences was compared.
    """

    engine: Engine
    quantity: Quantity
    ratio: float
    batch: int | None = None
    text: Text | None = None
    band: str | None = None


class ProfileReport(Record):
    """Profiles of one model or two (the model, then what it is held against), engine by engine."""

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

    Two models run turn by turn in one process, on random images, and each timed call follows one of the same
    model that is not timed.

    Args:
        model: a run folder, an .onnx file or a bundled model's name (ONNX Runtime only), or a name that
            `create_model` takes, as `NAME:KEY=VALUE,...` with settings; it is freshly initialised, for
            weights cost nothing.
        vs: the model to hold it against, a teacher as a rule.
        size: (height, width); by default the card's or the file's; for a name its `image_size`, or 224.
        rounds: timed calls of each, fewer where `budget` seconds end first (at least 3).
        memory: also start a process per model and engine to measure its peak memory.

    Raises:
        UsageError: an argument is wrong, no such name, or the network does not take the size.
        ModelError: a model cannot be read, or its products cannot be counted.
        MissingExtra: torch is not installed, or for an .onnx file the onnx package.
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
            engine
            for engine in wanted
            if all(any(s.engine == engine for s in subjects) for subjects in opened)
        ]
        if not shared:
            raise UsageError(
                f"{names[0]} and {names[-1]} share no engine; hold .onnx files against onnxruntime"
            )
        for engine in shared:
            ours, theirs = (
                [s for s in subjects if s.engine == engine]
                for subjects in (opened[0], opened[1] if vs else [])
            )
            both = [*ours, *theirs]
            rows, times = _measure(both, sorted(set(batches)), rounds, threads, budget, memory=memory)
            profiles += rows
            for a, b in _pairs(rows, len(ours)):
                ratios += _ratios(rows[a], rows[b], {batch: times[batch][[a, b]] for batch in times})
    return ProfileReport(profiles=tuple(profiles), ratios=tuple(ratios), threads=threads, rounds=rounds)


def _check(
    engines: Sequence[Engine], batches: Sequence[int], rounds: int, threads: int
) -> tuple[Engine, ...]:
    unknown = [engine for engine in engines if engine not in get_args(Engine)]
    if unknown or not engines:
        raise UsageError(f"engines: {unknown or 'none given'}; known are {', '.join(get_args(Engine))}")
    if not batches or min(batches) < 1 or rounds < 1 or threads < 1:
        raise UsageError("batches, rounds and threads start at 1")
    return tuple(engines)


def _pairs(rows: list[Profile], ours: int) -> list[tuple[int, int]]:
    """Returns which rows are held against each other: of the same form where both have forms."""
    return [
        (a, b)
        for a in range(ours)
        for b in range(ours, len(rows))
        if rows[a].text == rows[b].text or None in (rows[a].text, rows[b].text)
    ]


def _measure(
    subjects: list[Subject], batches: list[int], rounds: int, threads: int, budget: float, *, memory: bool
) -> tuple[list[Profile], dict[int, NDArray[np.float64]]]:
    """Returns a profile per subject, and seconds (len(subjects), R) by batch size; 1 is always among them."""
    times = {
        batch: take_turns([subject.run(batch) for subject in subjects], rounds=rounds, budget=budget)
        for batch in sorted({1, *batches})
        if all(subject.fixed_batch in (None, batch) for subject in subjects)
    }
    if 1 not in times:
        raise UsageError(
            f"{subjects[-1].model}: its graph is fixed to another batch than 1; one image cannot be timed"
        )
    rows = []
    for place, subject in enumerate(subjects):
        rows.append(
            Profile(
                model=subject.model,
                text=subject.text,
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
    if subject.engine == "torch" and subject.text == "cached":
        return None  # It is made from the whole network, which would be measured instead.
    return peak_memory(subject.source, subject.engine, size=subject.size, threads=threads)


def _ratios(ours: Profile, theirs: Profile, times: dict[int, NDArray[np.float64]]) -> list[Ratio]:
    figures: list[tuple[Quantity, float, int | None]] = [
        ("parameters", ours.parameters / max(1, theirs.parameters), None),
        ("macs", ours.macs / max(1, theirs.macs), None),
        ("latency", float(np.median(times[1][0] / times[1][1])), None),
    ]
    for batch in ours.throughput:
        figures.append(("throughput", float(np.median(times[batch][1] / times[batch][0])), batch))
    if ours.peak_memory and theirs.peak_memory:
        figures.append(("memory", ours.peak_memory / theirs.peak_memory, None))
    shared = {"engine": ours.engine, "text": theirs.text or ours.text}
    return [
        Ratio(quantity=quantity, ratio=ratio, batch=batch, band=band(quantity, ratio), **shared)
        for quantity, ratio, batch in figures
    ]


@contextmanager
def _torch_threads(threads: int, names: list[str]) -> Iterator[None]:
    """Sets torch's threads, unless all models are exported; those are profiled without torch."""
    if all(is_exported(name) for name in names):
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
