"""Distillation: wraps a task, adds what its teachers say of the same faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.losses.logit_distillation import logit_distillation
from facetrust.models import mean_logits


class Taught(NamedTuple):
    """A teacher and its share in the averaged logit."""

    model: nn.Module
    weight: float = 1.0


def distill(
    task: nn.Module, teachers: Mapping[str, Taught], *, weight: float = 1.0, temperature: float = 1.0
) -> Distill:
    """Returns the task with `weight` times the logit distillation added to its loss.

    Args:
        task: its forward gives a dict with `loss` and `logits`; it has `weights` by loss name.
        teachers: by the name of the view that each looks at.
        temperature: of `logit_distillation`.
    """
    return Distill(task, teachers, weight=weight, temperature=temperature)


class Distill(nn.Module):
    """Teachers only answer: evaluation mode, no gradient, and no place in this module's state."""

    def __init__(
        self,
        task: nn.Module,
        teachers: Mapping[str, Taught],
        *,
        weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if not teachers:
            raise UsageError("distillation needs at least one teacher; add teachers or set its weight to 0")
        self.task = task
        # A plain dict: teachers are neither trained, nor saved, nor switched to training mode.
        self.teachers = {
            view: Taught(teacher.model.eval().requires_grad_(False), teacher.weight)
            for view, teacher in teachers.items()
        }
        self.temperature = temperature
        self.weights: dict[str, float] = {**task.weights, "distillation": weight}  # type: ignore[dict-item]

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Returns the task's parts, `distillation` and `teacher_logits` added, `loss` the sum of all.

        The teachers are asked, unless the batch brings what they said before as `taught` (B,).
        """
        parts: dict[str, Tensor] = self.task(batch)
        taught = batch["taught"] if "taught" in batch else self.teacher_logits(batch["views"])
        distillation = logit_distillation(parts["logits"], taught, temperature=self.temperature)
        loss = parts["loss"] + self.weights["distillation"] * distillation
        return {**parts, "loss": loss, "distillation": distillation, "teacher_logits": taught}

    @torch.no_grad()
    def teacher_logits(self, views: Mapping[str, Tensor]) -> Tensor:
        """Returns (B,) logits, the teachers' averaged by weight, each from its own view (B, M, 3, h, w)."""
        shares = sum(teacher.weight for teacher in self.teachers.values())
        total = torch.zeros(())
        for view, teacher in self.teachers.items():
            crops = views[view]
            total = total.to(crops.device) + teacher.weight * mean_logits(
                teacher.model.to(crops.device), crops
            )
        return total / shares
