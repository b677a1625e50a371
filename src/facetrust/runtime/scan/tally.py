"""What is counted of a scan: of each part as it is judged, and added up for the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from facetrust.records import CheckReport, Verdict

BINS = 20  # Of a histogram of scores in [0, 1].
MOST = 20  # Pictures that are named as the most suspicious of a task, and failures of a kind.


@dataclass
class Tally:
    """Counts of inputs and faces, histograms of scores, what is most suspicious, failures, and seconds.

    `trusted`, `not_trusted` and `cannot_tell` count pictures and videos; `scores` has BINS counts per task,
    `answers` the decisions, and `suspicious` (score, source, face) per task, the highest scores first.
    `seconds` adds up what the stages took, over all processes.
    """

    inputs: int = 0
    pictures: int = 0
    videos: int = 0
    duplicates: int = 0
    faces: int = 0
    without_face: int = 0
    trusted: int = 0
    not_trusted: int = 0
    cannot_tell: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    failed: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    answers: dict[str, dict[str, int]] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)
    suspicious: dict[str, list[tuple[float, str, int | None]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add_report(self, report: CheckReport) -> None:
        """Counts a report."""
        self.inputs += 1
        self.pictures += report.kind == "image"
        self.videos += report.kind == "video"
        self.faces += len(report.faces)
        self.without_face += not report.faces
        self.trusted += report.trusted is True
        self.not_trusted += report.trusted is False
        self.cannot_tell += report.trusted is None
        for verdict in report.verdicts if report.kind == "image" else ():
            self._add_verdict(verdict, report.source, None)
        for place, face in enumerate(report.faces, 1):
            for verdict in face.verdicts:
                self._add_verdict(verdict, report.source, place)
        for stage, seconds in report.timings.items():
            self.add_seconds(stage, seconds)

    def add_failure(self, kind: str, source: str, reason: str) -> None:
        """Counts an input that was not judged."""
        self.inputs += 1
        self.failures[kind] = self.failures.get(kind, 0) + 1
        named = self.failed.setdefault(kind, [])
        if len(named) < MOST:
            named.append((source, reason))

    def add_duplicate(self) -> None:
        """Counts an input that another one was judged for."""
        self.inputs += 1
        self.duplicates += 1

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Adds what a stage took."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def _add_verdict(self, verdict: Verdict, source: str, face: int | None) -> None:
        task = verdict.task
        answers = self.answers.setdefault(task, {})
        answers[verdict.decision] = answers.get(verdict.decision, 0) + 1
        counts = self.scores.setdefault(task, [0] * BINS)
        counts[min(BINS - 1, max(0, int(verdict.score * BINS)))] += 1
        top = self.suspicious.setdefault(task, [])
        top.append((verdict.score, source, face))
        top.sort(key=lambda each: -each[0])
        del top[MOST:]

    def to_dict(self) -> dict[str, Any]:
        """Returns the counts as plain values."""
        return asdict(self)


def added(tallies: Iterable[dict[str, Any]]) -> Tally:
    """Returns the sum of tallies, given as plain values and in the order of their parts."""
    total = Tally()
    for each in tallies:
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + each[name])
        total.failures = dict(Counter(total.failures) + Counter(each["failures"]))
        for kind, named in each["failed"].items():
            total.failed[kind] = (total.failed.get(kind, []) + [tuple(one) for one in named])[:MOST]
        for task, answers in each["answers"].items():
            total.answers[task] = dict(Counter(total.answers.get(task, {})) + Counter(answers))
        for task, counts in each["scores"].items():
            before = total.scores.get(task, [0] * BINS)
            total.scores[task] = [a + b for a, b in zip(before, counts, strict=True)]
        for task, top in each["suspicious"].items():
            both = total.suspicious.get(task, []) + [tuple(one) for one in top]
            total.suspicious[task] = sorted(both, key=lambda one: -one[0])[:MOST]
        for stage, seconds in each["seconds"].items():
            total.add_seconds(stage, seconds)
    return total


_COUNTS = (
    "inputs", "pictures", "videos", "duplicates", "faces", "without_face", "trusted", "not_trusted",
    "cannot_tell",
)  # fmt: skip
