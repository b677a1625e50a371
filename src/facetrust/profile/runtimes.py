"""The same models in several runtimes: how far their answers lie apart, and what each costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from facetrust import model_file, registry
from facetrust.data.manifest import Manifest
from facetrust.errors import MissingExtra, UsageError
from facetrust.export.crops import crops_of_rows, noise
from facetrust.export.parity import FLOAT_TOLERANCE, answers_of, as_faces, inputs_of
from facetrust.export.runtimes import ROOM, Session
from facetrust.profile._timing import take_turns
from facetrust.records import ModelCard, Preprocessing, Record, Split
from facetrust.tasks import task_named

ORIGIN = "onnxruntime"
_NOISE = 32


class RuntimeParity(Record):
    """How a model answers in one runtime, beside ONNX Runtime.

    scores, evidence: the largest absolute differences, of scores in [0, 1] (numbers of unit vectors; class
    probabilities) and of a cell of the evidence, in logits, none where there is no evidence. agreement: the
    share of decisions that are the same: of faces; of all pairs of faces; of pixels. bytes: of its files.
    p50: seconds of one crop on one thread; cpu: of the processor for it, which others' work on the same
    machine hardly changes; both medians. passes: whether scores are within `FLOAT_TOLERANCE`.
    """

    model: str
    runtime: str
    faces: int
    scores: float
    evidence: float | None
    agreement: float
    bytes: int
    p50: float
    cpu: float
    passes: bool


def runtime_parity(
    models: Sequence[str | Path] = (),
    *,
    runtimes: Sequence[str] = (),
    manifest: str | Path | None = None,
    split: Split = "dev",
    faces: int = 200,
    rounds: int = 50,
) -> list[RuntimeParity]:
    """Returns a row for every model in every runtime, ONNX Runtime, the origin, first.

    Args:
        models: names or .onnx files; the bundled ones if none.
        runtimes: names of files in `export/runtimes`; those whose packages are installed if none.
        manifest, split: whose crops are judged, at most `faces` of them; noise without.
        rounds: timed calls.

    Raises:
        UnknownName: no such model or runtime.
        MissingExtra: a runtime that was named is not installed, or none is.
        ModelError, ManifestError, ImageError, ExportError: a file cannot be used.
    """
    if faces < 1 or rounds < 1:
        raise UsageError("give at least one face and one round")
    rows = None if manifest is None else Manifest.read(manifest)

    def crops(how: Preprocessing) -> NDArray[np.uint8]:
        if rows is None:
            return noise(how, min(faces, _NOISE))
        return crops_of_rows([rows], how, split, faces)[0]

    kinds = runtimes or _installed()
    return [row for name in models or model_file.bundled() for row in _of_model(name, kinds, crops, rounds)]


def _installed() -> list[str]:
    """The runtimes whose packages are here."""
    names = registry.names(ROOM)
    found = [name for name in names if find_spec(registry.module(ROOM, name).PACKAGE)]
    if not found:
        raise MissingExtra(" and ".join(names), ",".join(names))
    return found


def _of_model(
    name: str | Path, kinds: Sequence[str], crops: Callable[[Preprocessing], NDArray[np.uint8]], rounds: int
) -> list[RuntimeParity]:
    source = model_file.locate(name)
    session, card = model_file.open_model(source)
    inputs = inputs_of(
        as_faces(crops(card.preprocessing), card.preprocessing), card.preprocessing, str(source)
    )
    with tempfile.TemporaryDirectory() as scratch:
        opened = {ORIGIN: (cast("Session", session), source.stat().st_size)}
        opened |= {kind: _converted(kind, source, Path(scratch) / kind) for kind in kinds}
        timed = [_Timed(partial(_once, each, card, inputs)) for each, _ in opened.values()]
        p50 = np.median(take_turns(timed, rounds=rounds), axis=1)
        answers = [_answers(each, card, inputs) for each, _ in opened.values()]
    return [
        _row(card, kind, answers[0], found, bytes=size, p50=float(wall), cpu=clock.median)
        for (kind, (_, size)), found, wall, clock in zip(opened.items(), answers, p50, timed, strict=True)
    ]


def _converted(kind: str, source: Path, folder: Path) -> tuple[Session, int]:
    """A model in a runtime, and the bytes of its files there."""
    runtime = registry.module(ROOM, kind)
    made = runtime.convert(source, folder / f"{source.stem}{runtime.SUFFIX}")
    return runtime.open_file(made), sum(
        each.stat().st_size for each in folder.iterdir() if each.suffix != ".json"
    )


def _row(
    card: ModelCard,
    runtime: str,
    expected: tuple[NDArray[np.float64], NDArray[np.float32]],
    found: tuple[NDArray[np.float64], NDArray[np.float32]],
    **costs: Any,
) -> RuntimeParity:
    output = task_named(card.task).output
    scores = float(np.abs(found[0] - expected[0]).max())
    evidence = float(np.abs(found[1] - expected[1]).max()) if output == "score" else None
    return RuntimeParity(
        model=card.title,
        runtime=runtime,
        faces=len(expected[0]),
        scores=scores,
        evidence=evidence,
        agreement=float((_decisions(found[0], card) == _decisions(expected[0], card)).mean()),
        **costs,
        passes=scores <= FLOAT_TOLERANCE,
    )


def _answers(
    session: Session, card: ModelCard, inputs: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    output, margins = task_named(card.task).output, len(card.preprocessing.margins)
    return answers_of(session, inputs, margins=margins, batch=margins, output=output)


class _Timed:
    """A call that remembers how long the processor worked for it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._seconds: list[float] = []

    def __call__(self) -> None:
        """Calls it."""
        begun = time.process_time()
        self._call()
        self._seconds.append(time.process_time() - begun)

    @property
    def median(self) -> float:
        """Seconds of all its calls."""
        return float(np.median(self._seconds))


def _once(session: Session, card: ModelCard, inputs: NDArray[np.float32]) -> None:
    output = task_named(card.task).output
    session.run(["score", "evidence"] if output == "score" else [output], {"image": inputs[:1]})


def _decisions(values: NDArray[np.float64], card: ModelCard) -> NDArray[Any]:
    """What is decided by answers (N, ...): of each face, of each pair of faces, or of each pixel."""
    output = task_named(card.task).output
    if output == "classes":
        return np.asarray(values.argmax(1))
    if output == "embedding":
        pairs = np.triu_indices(len(values), 1)
        values = (values @ values.T)[pairs]
    return np.asarray(values >= card.threshold)
