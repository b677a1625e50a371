"""How AUC falls as pictures get worse: the robustness section of a report. No threshold is chosen here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from facetrust.data.augment.disturb import KINDS
from facetrust.errors import MetricError, ScoresError
from facetrust.evaluation.charts import Decline, declines
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import clusters_of
from facetrust.records import Disturbance, Record, Scores, Split, Table, sha256_of


class Point(Record):
    """AUC by image at one strength (none: pictures as they are), with its 95 % interval if it has one."""

    strength: float | None
    value: float
    low: float | None = None
    high: float | None = None
    file: str | None = None
    sha256: str | None = None


class Sweep(Record):
    """One model under one kind of disturbance, from the undisturbed pictures to the worst."""

    model: str
    kind: str
    unit: str
    split: Split
    points: tuple[Point, ...]


def sweeps(
    tests: Mapping[str, Scores], disturbed: Iterable[str | Path], *, seed: int = 0, rounds: int = 1000
) -> list[Sweep]:
    """Returns each model's AUC under each disturbance, kinds and strengths in the order of `KINDS`.

    The interval is drawn over the same clusters and with the same draws at every strength, so that
    what tells two strengths apart is the pictures and not chance. A sweep may have gaps.

    Args:
        tests: the reported scores of undisturbed pictures, by the models' names.
        disturbed: scores files of the same rows, written by `evaluate --robustness`.

    Raises:
        ScoresError: a file cannot be read, does not say how its pictures were disturbed or says so in
            unknown terms, belongs to none of the models or holds other rows, or comes twice.
    """
    swept: dict[tuple[str, str], dict[float, tuple[Path, Scores]]] = {}
    for path in map(Path, disturbed):
        scores = Scores.read(path)
        step = _step_of(path, scores)
        files = swept.setdefault((model_of(path, scores, tests), step.kind), {})
        if step.strength in files:
            raise ScoresError(
                f"{path}: the same model and disturbance as {files[step.strength][0]}; give one"
            )
        files[step.strength] = path, scores
    clean = {name: _point(tests[name], None, seed, rounds) for name in {name for name, _ in swept}}
    return [
        Sweep(
            model=name,
            kind=kind,
            unit=about.unit,
            split=tests[name].made_by.split,
            points=(clean[name], *_points(swept[name, kind], about.strengths, seed, rounds)),
        )
        for kind, about in KINDS.items()
        for name in tests
        if (name, kind) in swept
    ]


def check_undisturbed(scores: Table, path: Path) -> None:
    """Checks that a file's scores are of pictures as they are.

    Raises:
        ScoresError: the pictures were disturbed.
    """
    if (step := scores.made_by.disturbance) is not None:
        raise ScoresError(
            f"{path}: scores of disturbed pictures ({step.kind} {step.strength:g}); give them by --robustness"
        )


def draw_sweeps(swept: Sequence[Sweep], styles: Mapping[str, tuple[str, bool]]) -> list[str]:
    """Returns one drawing per kind as SVG, all on one scale; `styles` is name to (colour, is a baseline)."""
    if not swept:
        return []
    floor = min(point.value if point.low is None else point.low for sweep in swept for point in sweep.points)
    drawings = []
    for kind, about in KINDS.items():
        places: list[float | None] = [None, *about.strengths]
        lines = [
            Decline(
                *styles[each.model],
                [(places.index(point.strength), point.value, point.low, point.high) for point in each.points],
            )
            for each in swept
            if each.kind == kind
        ]
        ticks = ["none", *(f"{strength:g}" for strength in about.strengths)]
        if lines:
            drawings.append(declines(lines, ticks, unit=about.unit, floor=floor))
    return drawings


def _step_of(path: Path, scores: Scores) -> Disturbance:
    step = scores.made_by.disturbance
    if step is None:
        raise ScoresError(
            f"{path}: scores of pictures as they are; --robustness takes those of disturbed ones"
        )
    if step.kind not in KINDS or step.strength not in KINDS[step.kind].strengths:
        raise ScoresError(f"{path}: {step.kind} {step.strength:g} is no step of the sweep; evaluate it again")
    return step


def model_of(path: Path, scores: Scores, tests: Mapping[str, Scores]) -> str:
    """Returns the name of the reported model that the scores are of."""
    plain = scores.made_by.model_copy(update={"disturbance": None})
    mine = [name for name, test in tests.items() if test.made_by == plain]
    if len(mine) != 1:
        raise ScoresError(
            f"{path}: {plain.model}@{plain.version} (seed {plain.seed}) on {plain.split} of manifest "
            f"{plain.manifest[:12]} is not among the reported scores; report them too or leave it out"
        )
    if not scores.same_rows(tests[mine[0]]):
        raise ScoresError(f"{path}: its rows are not those reported of {mine[0]}; evaluate both again")
    return mine[0]


def _points(
    files: Mapping[float, tuple[Path, Scores]], order: Sequence[float], seed: int, rounds: int
) -> list[Point]:
    """Returns the points of the strengths that there are, from weak to strong."""
    points = []
    for strength in (each for each in order if each in files):
        path, scores = files[strength]
        try:
            point = _point(scores, strength, seed, rounds)
        except MetricError as error:
            raise MetricError(f"{path}: {error}") from None
        points.append(point.model_copy(update={"file": path.name, "sha256": sha256_of(path)}))
    return points


def _point(scores: Scores, strength: float | None, seed: int, rounds: int) -> Point:
    labels, values = scores.labels, scores.scores
    area = auc(labels, values)
    try:
        low, high = interval(auc, labels, values, clusters=clusters_of(scores)[0], seed=seed, rounds=rounds)
    except MetricError:  # Too few clusters to draw from.
        return Point(strength=strength, value=area)
    return Point(strength=strength, value=area, low=low, high=high)
