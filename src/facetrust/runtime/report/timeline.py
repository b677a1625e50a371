"""A video's scores over time, as coordinates to draw them by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from facetrust.records import CheckReport, Face, Timeline

WIDTH, HEIGHT = 720, 120  # Of the plot, in units of the drawing.
ROW = 20  # Height of a track's bar below it.
_GAP = 2.5  # Usual steps between scores beyond which a line is broken.
_TICKS = 8  # At most, on the axis of time.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Line(NamedTuple):
    """A track's scores: pieces of (x, y) joined by lines, and its bar's beginning, length and top."""

    track: int
    pieces: tuple[tuple[tuple[float, float], ...], ...]
    telling: tuple[float, float] | None
    bar: tuple[float, float, float]


class Chart(NamedTuple):
    """One task's scores in a video: lines, the threshold's height, and (x, seconds) of the ticks."""

    task: str
    threshold: float
    level: float
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, float], ...]
    height: int


def charts(report: CheckReport) -> tuple[Chart, ...]:
    """Returns a drawing per task with scores over time; none of a picture."""
    if report.watched is None:
        return ()
    seconds = max([report.watched.seconds, *(face.timeline.last for face in report.faces if face.timeline)])
    return tuple(_chart(report.faces, task, threshold, seconds) for task, threshold in _thresholds(report))


def _thresholds(report: CheckReport) -> list[tuple[str, float]]:
    verdicts = [verdict for face in report.faces if face.timeline for verdict in face.verdicts]
    return list({verdict.task: verdict.threshold for verdict in verdicts}.items())


def _chart(faces: Sequence[Face], task: str, threshold: float, seconds: float) -> Chart:
    scale = WIDTH / max(seconds, 1e-9)
    seen = [(face.track or 0, face.timeline) for face in faces if face.timeline is not None]
    scored = [(track, timeline) for track, timeline in seen if task in timeline.scores]
    lines = tuple(
        _line(track, timeline, task, scale=scale, top=HEIGHT + 14 + ROW * row)
        for row, (track, timeline) in enumerate(scored)
    )
    ticks = tuple((round(at * scale, 1), at) for at in _ticks(seconds))
    return Chart(task, threshold, _level(threshold), lines, ticks, HEIGHT + 14 + ROW * len(lines) + 20)


def _line(track: int, timeline: Timeline, task: str, *, scale: float, top: float) -> Line:
    scored = zip(timeline.times, timeline.scores[task], strict=True)
    points = [(round(at * scale, 1), _level(score)) for at, score in scored]
    telling = next((p for at, p in zip(timeline.times, points, strict=True) if at == timeline.telling), None)
    bar = (round(timeline.first * scale, 1), round((timeline.last - timeline.first) * scale, 1), top)
    return Line(track, tuple(_pieces(timeline.times, points)), telling, bar)


def _pieces(
    times: Sequence[float], points: Sequence[tuple[float, float]]
) -> Iterator[tuple[tuple[float, float], ...]]:
    """The points, parted where the face was not seen for a while."""
    steps = [after - before for before, after in pairwise(times)]
    most = _GAP * median(steps) if steps else 0.0
    begun = 0
    for end, step in enumerate(steps, 1):
        if step > most:
            yield tuple(points[begun:end])
            begun = end
    yield tuple(points[begun:])


def _level(score: float) -> float:
    return round(HEIGHT * (1 - score), 1)


def _ticks(seconds: float) -> list[float]:
    step = next((each for each in _STEPS if seconds / each <= _TICKS), _STEPS[-1])
    while seconds / step > _TICKS:
        step *= 2
    return [round(step * count, 3) for count in range(int(seconds / step) + 1)]
