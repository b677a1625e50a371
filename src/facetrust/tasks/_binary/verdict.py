"""One score against one threshold: how the questions with two answers are decided."""

from __future__ import annotations

import math
from typing import SupportsFloat

from facetrust.errors import ModelError
from facetrust.records import ModelCard, Verdict
from facetrust.tasks import task_named


def judge(score: SupportsFloat, card: ModelCard) -> Verdict:
    """Returns the decision `score >= threshold` in the task's words.

    Args:
        score: in [0, 1], higher speaks for the task's positive answer.
        card: the card of the model that gave it; its first threshold decides.

    Raises:
        ModelError: the score is not finite, or the card has no threshold.
    """
    score = float(score)
    if not math.isfinite(score):
        raise ModelError(f"{card.title}: answered with {score}; nothing can be decided with this model")
    threshold = card.threshold
    return Verdict(
        task=card.task,
        score=score,
        threshold=threshold,
        threshold_rule=card.thresholds[0].rule,
        probability=None if card.calibration is None else card.calibration.probability(score),
        decision=task_named(card.task).decisions[score >= threshold],
        model=card.title,
        advisory=card.advisory,
    )
