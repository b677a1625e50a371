"""Distillation of the angles between triples of samples (RKD-A)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._pairs import directions
from facetrust.losses._reduction import Reduction, reduced


def relational_angle(
    student_embedding: Tensor, teacher_embedding: Tensor, *, reduction: Reduction = "mean"
) -> Tensor:
    """Returns the mean over all B^3 triples of Huber(cos_student - cos_teacher).

    cos is taken at sample i between the directions to j and to k; a direction to the same point counts as
    0, and so does its gradient. Huber turns linear at 1. The embeddings are taken as they come, so widths
    may differ. Memory grows with B^3.
    Source: Park et al. 2019 (RKD, arXiv 1904.05068), angle-wise loss; the B^3 as in the authors' code.

    Args:
        student_embedding: (B, d); the gradient flows here only.
        teacher_embedding: (B, d').
        reduction: `"mean"` gives a scalar, `"none"` (B,), the mean over j and k.
    """
    student = _cosines(student_embedding)
    teacher = _cosines(teacher_embedding.detach().to(student.dtype))
    return reduced(functional.huber_loss(student, teacher, reduction="none").mean((1, 2)), reduction)


def _cosines(embedding: Tensor) -> Tensor:
    to = directions(embedding)
    return to @ to.mT
