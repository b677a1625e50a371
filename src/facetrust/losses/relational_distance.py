"""Distillation of the distances between samples (RKD-D)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._pairs import distances
from facetrust.losses._reduction import Reduction, reduced


def relational_distance(
    student_embedding: Tensor, teacher_embedding: Tensor, *, reduction: Reduction = "mean"
) -> Tensor:
    """Returns the mean over all B^2 pairs, a sample with itself included, of Huber(d_student - d_teacher).

    d is the Euclidean distance of two samples, each network's divided by the mean of its own positive
    ones; Huber turns linear at 1. The embeddings are taken as they come, so widths and sizes may differ.
    The gradient at a distance of 0 is 0; a batch of one, or of one point, has distances of 0.
    Source: Park et al. 2019 (RKD, arXiv 1904.05068), distance-wise loss; the B^2 as in the authors' code.

    Args:
        student_embedding: (B, d); the gradient flows here only.
        teacher_embedding: (B, d').
        reduction: `"mean"` gives a scalar, `"none"` (B,), the mean over the other index.
    """
    student = _relative(distances(student_embedding))
    teacher = _relative(distances(teacher_embedding.detach().to(student.dtype)))
    return reduced(functional.huber_loss(student, teacher, reduction="none").mean(1), reduction)


def _relative(distance: Tensor) -> Tensor:
    positive = distance > 0
    # Where no distance is positive, the sum is 0 and any divisor will do.
    mean = distance.sum() / positive.sum().clamp_min(1)
    return distance / mean.masked_fill(~positive.any(), 1)
