"""What a model's forward returns: one kind per `output` of a task."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Score(NamedTuple):
    """A batch's answer: `logit` (B,), and `evidence` (B, gh, gw), whose mean per image is the logit."""

    logit: Tensor
    evidence: Tensor


class Embedding(NamedTuple):
    """A batch's answer: `embedding` (B, d), of any length; who compares them divides by it."""

    embedding: Tensor


class Classes(NamedTuple):
    """A batch's answer: `logits` (B, C, h, w), one per class and pixel of the input."""

    logits: Tensor


def kind_of(answer: object) -> str:
    """Returns what a network answers with: `score`, `embedding` or `classes`; empty if none of them."""
    if hasattr(answer, "logit") and hasattr(answer, "evidence"):
        return "score"
    return "embedding" if hasattr(answer, "embedding") else "classes" if hasattr(answer, "logits") else ""
