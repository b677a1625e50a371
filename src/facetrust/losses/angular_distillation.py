"""Distillation of an embedding's direction (ShrinkTeaNet)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._check import same_width
from facetrust.losses._projection import Projected
from facetrust.losses._reduction import Reduction, reduced


def angular_distillation(
    student_embedding: Tensor, teacher_embedding: Tensor, *, reduction: Reduction = "mean"
) -> Tensor:
    """Returns the mean of (1 - cosine between student and teacher)^2, in [0, 4].

    Its gradient fades as the directions meet, so that faces that are far off count most. For 1 - cosine
    itself take `feature_distillation` with weight d / 2.
    Source: Duong et al. 2019 (ShrinkTeaNet, arXiv 1905.10620), angular distillation loss.

    Args:
        student_embedding: (B, d); the gradient flows here only.
        teacher_embedding: (B, d).
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: the widths differ; the module learns a projection.
    """
    same_width("angular_distillation", student_embedding, teacher_embedding)
    teacher = teacher_embedding.detach().to(student_embedding.dtype)
    return reduced((1 - functional.cosine_similarity(student_embedding, teacher)).square(), reduction)


class AngularDistillation(Projected):
    """`angular_distillation` with its settings kept, and a projection where the widths differ."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__(angular_distillation, reduction=reduction)
