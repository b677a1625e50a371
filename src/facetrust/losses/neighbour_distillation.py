"""Distillation of logits without classes: every other face of the batch stands for one."""

from __future__ import annotations

import torch
from torch import Tensor

from facetrust.losses._affinity import affinity
from facetrust.losses._check import above_zero
from facetrust.losses._divergence import row_divergence
from facetrust.losses._reduction import Reduction, reduced


def neighbour_distillation(
    student_embedding: Tensor,
    teacher_embedding: Tensor,
    *,
    scale: float = 16.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns KL(teacher || student) in nats of each face's softmax over the others, by scaled cosines.

    What logit distillation (Hinton et al. 2015, arXiv 1503.02531) asks of classes, asked of the batch, so
    that no identities are needed: to whom is a face most alike? A batch of fewer than three costs
    nothing. Widths may differ.

    Args:
        student_embedding: (B, d); the gradient flows here only.
        teacher_embedding: (B, d').
        scale: of the cosines, one over the temperature, above 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    above_zero(scale=scale)
    student = _others(student_embedding, scale)
    teacher = _others(teacher_embedding.detach().to(student.dtype), scale)
    if len(student) < 3:
        return reduced(0 * student_embedding.sum(1), reduction)
    return reduced(row_divergence(student, teacher), reduction)


def _others(embedding: Tensor, scale: float) -> Tensor:
    """Returns (B, B - 1) scaled cosines of each row with all others."""
    every = affinity(embedding, embedding, scale=scale)
    count = len(every)
    other = ~torch.eye(count, dtype=torch.bool, device=every.device)
    return every[other].reshape(count, max(count - 1, 0))
