"""Distillation of a single logit: the two-class Kullback-Leibler divergence, both classes counted."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._check import above_zero
from facetrust.losses._reduction import Reduction, reduced


def logit_distillation(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns T^2 [p log(p/q) + (1 - p) log((1 - p)/(1 - q))], p = s(teacher/T), q = s(student/T).

    Equal to the softmax divergence between the logit pairs [0, z] at the same temperature (Hinton
    et al. 2015, arXiv 1503.02531, section 2). Zero where the logits agree; finite for any finite logits.

    Args:
        student_logits: (B,); the gradient flows here only.
        teacher_logits: (B,).
        temperature: T > 0. T^2 keeps the gradient's size about the same when T changes.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    above_zero(temperature=temperature)
    s, t = student_logits / temperature, teacher_logits.detach().to(student_logits.dtype) / temperature
    # log p/q and log (1-p)/(1-q) from log-sigmoids, so that nothing is ever divided or log(0).
    attack = functional.logsigmoid(t) - functional.logsigmoid(s)
    bona_fide = functional.logsigmoid(-t) - functional.logsigmoid(-s)
    loss = (t.sigmoid() * attack + (-t).sigmoid() * bona_fide) * temperature**2
    return reduced(loss, reduction)
