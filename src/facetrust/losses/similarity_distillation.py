"""Distillation of how alike the faces of a batch are to each other."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._affinity import affinity
from facetrust.losses._reduction import Reduction, reduced


def similarity_distillation(
    student_embedding: Tensor, teacher_embedding: Tensor, *, reduction: Reduction = "mean"
) -> Tensor:
    """Returns the mean over all B^2 pairs of (student's cosine - teacher's cosine)^2, in [0, 4].

    Cosines are what faces are compared by, so widths may differ. A face's cosine with itself is 1 on both
    sides and costs nothing. Source: the idea of Tung and Mori 2019 (arXiv 1907.09682), whose rows of dot
    products are normalised instead.

    Args:
        student_embedding: (B, d); the gradient flows here only.
        teacher_embedding: (B, d').
        reduction: `"mean"` gives a scalar, `"none"` (B,), the mean over the other index.
    """
    student = affinity(student_embedding, student_embedding, scale=1)
    teacher_embedding = teacher_embedding.detach().to(student_embedding.dtype)
    teacher = affinity(teacher_embedding, teacher_embedding, scale=1)
    return reduced((student - teacher).square().mean(1), reduction)
