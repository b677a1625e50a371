"""Distillation of dense answers, pixel by pixel."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._check import above_zero
from facetrust.losses._divergence import row_divergence
from facetrust.losses._reduction import Reduction, reduced


def pixel_distillation(
    student_classes: Tensor,
    teacher_classes: Tensor,
    *,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns T^2 times the mean over pixels of KL(softmax(teacher / T) || softmax(student / T)).

    The softmax is over the classes of a pixel (Hinton et al. 2015, arXiv 1503.02531; for masks, Liu et al.,
    Structured knowledge distillation for semantic segmentation, CVPR 2019, equation 1).

    Args:
        student_classes: (B, C, h, w) logits; the gradient flows here only.
        teacher_classes: (B, C, h, w) logits of the same pixels.
        temperature: T > 0. T^2 keeps the gradient's size about the same when T changes.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    above_zero(temperature=temperature)
    student, teacher = (each.movedim(1, -1) / temperature for each in (student_classes, teacher_classes))
    return reduced(row_divergence(student, teacher).mean((1, 2)) * temperature**2, reduction)
