"""Distillation of a transformer's intermediate features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.losses._check import same_width
from facetrust.losses._layers import matched_layers, same_tokens
from facetrust.losses._projection import projection
from facetrust.losses._reduction import Reduction, reduced


def hidden_distillation(
    student_hidden: Sequence[Tensor],
    teacher_hidden: Sequence[Tensor],
    *,
    layers: Sequence[int] | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns the mean over layers, tokens and width of (student - teacher)^2, both layer-normalised first.

    Every token's vector is brought to mean 0 and variance 1, without learnt gain and bias, for the
    residual stream of two networks has different sizes and grows with depth. The loss is then of order 1.
    Depths may differ: see `facetrust.losses._layers.matched_layers`.
    Source: hints of FitNets (Romero et al. 2015, arXiv 1412.6550) at every layer; the normalisation is ours.

    Args:
        student_hidden: L tensors (B, N, c); the gradient flows here only.
        teacher_hidden: L' tensors (B, N, c).
        layers: the student's layers to compare, negative ones counted from the end; none for all.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: a layer does not exist, or tokens or widths differ; the module learns projections.
    """
    pairs = _pairs(student_hidden, teacher_hidden, layers)
    return reduced(torch.stack(list(starmap(_compare, pairs))).mean(0), reduction)


class HiddenDistillation(nn.Module):
    """`hidden_distillation` with its settings kept, and a projection per layer where the widths differ."""

    def __init__(self, *, layers: Sequence[int] | None = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.layers = layers
        self.reduction: Reduction = reduction
        self.projections = nn.ModuleList()

    def adapt(self, student_hidden: Sequence[Tensor], teacher_hidden: Sequence[Tensor]) -> None:
        """Returns nothing; makes a linear layer for each compared layer whose widths differ."""
        pairs = _pairs(student_hidden, teacher_hidden, self.layers)
        self.projections = nn.ModuleList(starmap(projection, pairs))

    def forward(self, student_hidden: Sequence[Tensor], teacher_hidden: Sequence[Tensor]) -> Tensor:
        """Returns the loss of the student's features, (B, N, c) per layer, against the teacher's."""
        pairs = _pairs(student_hidden, teacher_hidden, self.layers)
        if self.projections:
            adapted = zip(self.projections, pairs, strict=True)
            pairs = [(layer(student), teacher) for layer, (student, teacher) in adapted]
        return reduced(torch.stack(list(starmap(_compare, pairs))).mean(0), self.reduction)


def _pairs(
    student: Sequence[Tensor], teacher: Sequence[Tensor], layers: Sequence[int] | None
) -> list[tuple[Tensor, Tensor]]:
    return [(student[i], teacher[j]) for i, j in matched_layers(len(student), len(teacher), layers)]


def _compare(student: Tensor, teacher: Tensor) -> Tensor:
    same_tokens(student.shape[1], teacher.shape[1])
    same_width("hidden_distillation", student, teacher)
    width = student.shape[-1:]
    difference = functional.layer_norm(student, width) - functional.layer_norm(
        teacher.detach().to(student.dtype), width
    )
    return difference.square().mean((1, 2))
