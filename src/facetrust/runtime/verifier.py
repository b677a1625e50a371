"""A model that compares faces, a detector and questions about liveness, opened once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ModelError, UsageError
from facetrust.faces.detector import SEARCH, Detector, Search
from facetrust.imaging.inputs import Color
from facetrust.records import CheckReport, Comparison, Embedding, Face, ModelCard, Side
from facetrust.runtime.bundled import ModelChoice, default_embedder, default_tasks, open_model_named
from facetrust.runtime.checker import Checker
from facetrust.runtime.model import USER, Model
from facetrust.runtime.trust import trust
from facetrust.tasks import task_named

NO_FACE = "no face"
SEVERAL = "several faces"
POOR = "poor quality"
OPEN = "liveness open"
OTHER = "other model"
ADVISORY = "advisory"
_FAR = "far@"
_ALIKE = 1e-9  # By how much two rates may differ that are meant to be one.

Vector = NDArray[np.float32]


class Limit(NamedTuple):
    """The value that decides, the rule that chose it, and the false accept rate that it stands for."""

    value: float
    rule: str
    far: float | None


class Subject(NamedTuple):
    """One face that may be compared, by its embedding (d,) of unit length, or why it may not be."""

    face: Face
    vector: Vector | None
    reason: str | None
    detail: str | None


class Verifier:
    """Compares faces with a model, a detector and questions about liveness that are opened once.

    Its methods may be called from several threads at once.

    Args:
        model: a name, an .onnx file or an open model with embeddings; the bundled one without.
        far: the false accept rate to decide at, which the card must name; its first threshold without.
        threshold: a cosine in [-1, 1] to decide at instead.
        liveness: True asks the bundled questions about faces that distrust, too; a mapping of task to model
            asks those. What they say of a face stands in its verdicts.
        detector, threads, search, color, quality_gate: as of `Checker`.

    Raises:
        UsageError: no model is bundled, a rate that the card does not name, or a setting out of range.
        ModelError: a model's file cannot be used, answers without an embedding, or has no threshold.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        *,
        far: float | None = None,
        threshold: float | None = None,
        liveness: bool | ModelChoice = False,
        detector: Detector | str | Path | None = None,
        threads: int = 1,
        search: Search = SEARCH,
        color: Color = "RGB",
        quality_gate: bool = True,
    ) -> None:
        self.model = open_model_named(default_embedder() if model is None else model, threads=threads)
        task = self.model.task
        if task.output != "embedding" or task.unit != "face":
            raise ModelError(
                f"{self.model.name}: answers {task.name} with a {task.output} of a {task.unit}; faces are "
                "compared by a model with an embedding of a face"
            )
        self.liveness = _liveness(liveness)
        self._far, self._threshold = far, threshold
        if far is not None or threshold is not None:
            self.limit()  # What cannot be decided at is refused before anything is asked.
        self._checker = Checker(
            [task.name, *self.liveness],
            models={**(liveness if isinstance(liveness, Mapping) else {}), task.name: self.model},
            detector=detector,
            threads=threads,
            search=search,
            color=color,
            quality_gate=quality_gate,
        )

    def limit(self) -> Limit:
        """Returns what decides.

        Raises:
            UsageError: a rate that the card does not name, both a rate and a threshold, or one out of range.
            ModelError: the card has no threshold.
        """
        return limit_of(self.model.card, far=self._far, threshold=self._threshold)

    def verify(self, first: Any, second: Any) -> Comparison:
        """Returns whether the one face of `first` and the one face of `second` are the same person's.

        Args:
            first, second: what `Checker.check` takes, or an `Embedding` that a model gave of a face before.

        Raises:
            ImageError: a source cannot be read.
            ModelError: the model cannot be run, or its card has no threshold.
        """
        limit = self.limit()
        sides, vectors = zip(*(self._side(each) for each in (first, second)), strict=True)
        score = None
        if vectors[0] is not None and vectors[1] is not None:
            score = min(1.0, max(-1.0, float(vectors[0] @ vectors[1])))
        reason = next((side.reason for side in sides if side.reason), None)
        if reason is None and self.model.card.advisory:
            reason = ADVISORY
        words = ("different", "same")
        return Comparison(
            score=score,
            decision=None if reason or score is None else words[score >= limit.value],
            reason=reason,
            first=sides[0],
            second=sides[1],
            **self.facts(limit),
        )

    def facts(self, limit: Limit) -> dict[str, Any]:
        """Returns what a decision was made by, as fields of a `Decision`."""
        return {
            "model": self.model.name,
            "threshold": limit.value,
            "threshold_rule": limit.rule,
            "far": limit.far,
            "liveness": self.liveness,
        }

    def subjects(self, source: Any) -> tuple[CheckReport, tuple[Subject, ...]]:
        """Returns the report of a picture or video, and each of its faces as it may be compared.

        Raises:
            ImageError: the source cannot be read.
            ModelError: the model cannot be run.
        """
        report = self._checker.check(source)
        return report, tuple(self._subject(face) for face in report.faces)

    def only_subject(self, source: Any) -> tuple[Side, Vector | None]:
        """Returns a source that must show one face, and its embedding (d,) of unit length if there is one.

        Raises:
            ImageError: the source cannot be read.
            ModelError: the model cannot be run.
        """
        report, subjects = self.subjects(source)
        count = len(subjects) + report.left_out
        if count != 1:
            reason, detail = (SEVERAL, f"{count} faces") if count else (NO_FACE, None)
            return Side(source=report.source, faces=report.faces, reason=reason, detail=detail), None
        (subject,) = subjects
        side = Side(source=report.source, faces=report.faces, reason=subject.reason, detail=subject.detail)
        return side, subject.vector

    def _side(self, source: Any) -> tuple[Side, Vector | None]:
        if not isinstance(source, Embedding):
            return self.only_subject(source)
        if source.model != self.model.name:
            detail = f"an embedding of {source.model}"
            return Side(source="<Embedding>", reason=OTHER, detail=detail), None
        return Side(source="<Embedding>"), self._vector(source)

    def _subject(self, face: Face) -> Subject:
        task = self.model.task.name
        found = next((each for each in face.embeddings if each.task == task), None)
        vector = None if found is None else self._vector(found)
        poor = [each for each in face.not_judged if each.task == task or each.task in self.liveness]
        bad = next((v for v in face.verdicts if not v.advisory and _distrusted(v.task, v.decision)), None)
        if bad is not None:
            detail = f"{bad.model}: {bad.score:.3f}, threshold {bad.threshold:.3f}"
            return Subject(face, vector, bad.decision, detail)
        if poor or vector is None:
            said = dict.fromkeys(each.reason for each in poor)
            return Subject(face, vector, POOR, "; ".join(said) or None)
        if self.liveness:
            trusted, reason = trust(face.verdicts)
            if trusted is None:
                return Subject(face, vector, OPEN, reason)
        return Subject(face, vector, None, None)

    def _vector(self, embedding: Embedding) -> Vector:
        vector = np.asarray(embedding.vector, dtype=np.float64)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length < 0.5:  # Of unit length, as `fusion.of_faces` leaves it.
            raise ModelError(f"{self.model.name}: answered with an embedding that has no direction")
        return np.asarray(vector / length, dtype=np.float32)


def limit_of(card: ModelCard, *, far: float | None = None, threshold: float | None = None) -> Limit:
    """Returns what a card decides at: the first of its thresholds, that of a named rate, or one given.

    A card names a rate by a threshold's rule, such as `far@0.1%` or `far@0.001`.

    Raises:
        UsageError: a rate that the card does not name, both, or a threshold that is no cosine.
        ModelError: the card has no threshold.
    """
    if threshold is not None:
        if far is not None:
            raise UsageError("a false accept rate and a threshold: give one of them")
        if not -1 <= threshold <= 1:
            raise UsageError(f"threshold {threshold}: a cosine lies between -1 and 1")
        return Limit(threshold, USER, None)
    if not card.thresholds:
        raise ModelError(f"{card.title}: its card has no threshold; give one, a cosine from -1 to 1")
    known = [Limit(each.value, each.rule, _rate(each.rule)) for each in card.thresholds]
    if far is None:
        return known[0]
    for each in known:
        if each.far is not None and abs(each.far - far) < _ALIKE:
            return each
    rates = ", ".join(f"{each.far:g}" for each in known if each.far is not None)
    raise UsageError(
        f"{card.title}: has no threshold at a false accept rate of {far:g}; it has {rates or 'none'}"
    )


def _rate(rule: str) -> float | None:
    """The false accept rate that a rule names, such as `far@0.1%`; None of other rules."""
    amount = rule.removeprefix(_FAR)
    try:
        return None if amount == rule else float(amount.rstrip("%")) / (100 if amount.endswith("%") else 1)
    except ValueError:
        return None


def _liveness(wanted: bool | ModelChoice) -> tuple[str, ...]:
    """The questions about a face's liveness that are asked.

    Raises:
        UsageError: one of them is no question that distrusts a face; or none is bundled.
    """
    names: Sequence[str] = tuple(wanted) if isinstance(wanted, Mapping) else default_tasks() if wanted else ()
    if isinstance(wanted, Mapping):
        for name in names:
            task = task_named(name)
            if not (task.distrusts and task.unit == "face"):
                raise UsageError(f"liveness: {name} does not ask whether a face is to be distrusted")
    found = tuple(name for name in names if task_named(name).distrusts)
    if wanted and not found:
        raise UsageError("no model that asks for liveness is bundled")
    return found


def _distrusted(task: str, decision: str) -> bool:
    question = task_named(task)
    return question.distrusts and decision == question.positive
