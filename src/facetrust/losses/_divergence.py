"""Kullback-Leibler divergence between rows of softmax scores."""

from __future__ import annotations

from torch import Tensor


def row_divergence(student_scores: Tensor, teacher_scores: Tensor) -> Tensor:
    """Returns KL(softmax(teacher) || softmax(student)) along the last axis, (..., n) becoming (...).

    Finite for any finite scores, for the log-softmax never meets log(0).
    """
    q = student_scores.log_softmax(-1)
    p = teacher_scores.detach().to(q.dtype).log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)
