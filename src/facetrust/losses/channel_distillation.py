"""Distillation of dense answers, class by class: where in the picture a class is."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._check import above_zero
from facetrust.losses._divergence import row_divergence
from facetrust.losses._reduction import Reduction, reduced


def channel_distillation(
    student_classes: Tensor,
    teacher_classes: Tensor,
    *,
    temperature: float = 4.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns T^2 times the mean over classes of KL(softmax(teacher / T) || softmax(student / T)).

    The softmax is over all pixels of one class, so that a small part weighs as much as a large one
    (Shu et al., Channel-wise knowledge distillation for dense prediction, ICCV 2021, equations 3 and 4).

    Args:
        student_classes: (B, C, h, w) logits; the gradient flows here only.
        teacher_classes: (B, C, h, w) logits of the same pixels.
        temperature: T > 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    above_zero(temperature=temperature)
    student, teacher = (each.flatten(2) / temperature for each in (student_classes, teacher_classes))
    return reduced(row_divergence(student, teacher).mean(1) * temperature**2, reduction)
