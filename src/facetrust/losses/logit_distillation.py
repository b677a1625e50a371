"""Distillation of a single logit: the two-class Kullback-Leibler divergence, both classes counted."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from facetrust.losses._check import above_zero
from facetrust.losses._reduction import Reduction, reduced


def logit_distillation(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float = 1.0,
    over: Literal["classes", "batch"] = "classes",
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns T^2 [p log(p/q) + (1 - p) log((1 - p)/(1 - q))], p = s(teacher/T), q = s(student/T).

    Equal to the softmax divergence between the logit pairs [0, z] at the same temperature (Hinton
    et al. 2015, arXiv 1503.02531, section 2). Zero where the logits agree; finite for any finite logits.

    Args:
        student_logits: (B,); the gradient flows here only.
        teacher_logits: (B,).
        temperature: T > 0. T^2 keeps the gradient's size about the same when T changes.
        over: `"batch"` is an error met in published code, kept to show what it does: the softmax goes over
            the batch's B logits as if they were classes, T^2 sum_i p_i log(p_i/q_i) / B. It compares pictures
            with each other, does not see a shift of all logits, and is 0 for one picture alone.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    above_zero(temperature=temperature)
    s, t = student_logits / temperature, teacher_logits.detach().to(student_logits.dtype) / temperature
    if over == "batch":
        log_p, log_q = functional.log_softmax(t, 0), functional.log_softmax(s, 0)
        return reduced(log_p.exp() * (log_p - log_q) * temperature**2, reduction)
    # log p/q and log (1-p)/(1-q) from log-sigmoids, so that nothing is ever divided or log(0).
    attack = functional.logsigmoid(t) - functional.logsigmoid(s)
    bona_fide = functional.logsigmoid(-t) - functional.logsigmoid(-s)
    loss = (t.sigmoid() * attack + (-t).sigmoid() * bona_fide) * temperature**2
    return reduced(loss, reduction)
