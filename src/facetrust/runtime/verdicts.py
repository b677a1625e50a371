"""Verdicts: a score against its card's threshold, in the task's words."""

from __future__ import annotations

from facetrust.records import DECISIONS, TaskName, Verdict
from facetrust.runtime.session import Model

NO_FACE = "no face found"


def verdict(task: TaskName, score: float, model: Model) -> Verdict:
    """Returns the decision `score >= threshold` in the task's words."""
    decision = DECISIONS[task][score >= model.threshold]
    return Verdict(task=task, score=score, threshold=model.threshold, decision=decision, model=model.name)
