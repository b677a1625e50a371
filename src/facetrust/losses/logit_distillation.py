"""Distillation of a single logit: the two-class Kullback-Leibler divergence, both classes counted."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError


def logit_distillation(
    student: Tensor, teacher: Tensor, *, temperature: float = 1.0, reduction: Literal["mean", "none"] = "mean"
) -> Tensor:
    """Returns T^2 [p log(p/q) + (1 - p) log((1 - p)/(1 - q))], p = s(teacher/T), q = s(student/T).

    Equal to the softmax divergence between the logit pairs [0, z] at the same temperature (Hinton
    et al. 2015, arXiv 1503.02531, section 2). Zero where the logits agree; finite for any finite logits.

    Args:
        student: (B,) logits; the gradient flows here only.
        teacher: (B,) logits.
        temperature: T > 0. T^2 keeps the gradient's size about the same when T changes.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    if temperature <= 0:
        raise UsageError(f"temperature: {temperature} is not above 0")
    s, t = student / temperature, teacher.detach().to(student.dtype) / temperature
    # log p/q and log (1-p)/(1-q) from log-sigmoids, so that nothing is ever divided or log(0).
    attack = functional.logsigmoid(t) - functional.logsigmoid(s)
    bona_fide = functional.logsigmoid(-t) - functional.logsigmoid(-s)
    loss = (t.sigmoid() * attack + (-t).sigmoid() * bona_fide) * temperature**2
    return loss.mean() if reduction == "mean" else loss


class LogitDistillation(nn.Module):
    """`logit_distillation` with its settings kept."""

    def __init__(self, *, temperature: float = 1.0, reduction: Literal["mean", "none"] = "mean") -> None:
        super().__init__()
        self.temperature = temperature
        self.reduction = reduction

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Returns the loss of the student's logits (B,) against the teacher's (B,)."""
        return logit_distillation(student, teacher, temperature=self.temperature, reduction=self.reduction)  # type: ignore[arg-type]
