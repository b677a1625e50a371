"""Distillation of attention maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UnknownName, UsageError
from facetrust.losses._layers import matched_layers, same_tokens
from facetrust.losses._reduction import Reduction, reduced

Form = Literal["row-kl", "mse"]
Heads = Literal["mean", "mix", "each"]
Rows = Literal["all", "cls"]


def attention_distillation(
    student_attention: Tensor,
    teacher_attention: Tensor,
    *,
    form: Form = "row-kl",
    heads: Heads = "mean",
    rows: Rows = "all",
    layers: Sequence[int] | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns how far the student's attention rows lie from the teacher's, the mean over layers, heads, rows.

    A row is where one token looks: N numbers that sum to one. Depths may differ: see
    `facetrust.losses._layers.matched_layers`. With `heads="each"`, `layers=(-1,)` this is the attention
    loss of MiniLM (Wang et al. 2020, arXiv 2002.10957).

    Args:
        student_attention: (B, L, H, N, N) after the softmax; the gradient flows here only.
        teacher_attention: (B, L', H', N, N).
        form: `"row-kl"` is KL(teacher || student) of a row in nats; `"mse"` the squared error summed over
            a row's N keys. A mean over the keys too would be some 1e-5 at N = 197 and vanish.
        heads: `"mean"` compares the mean of the heads on both sides, `"each"` head by head; `"mix"`
            compares each student head with a learnt mixture of teacher heads and wants the module.
        rows: `"all"`, or `"cls"`: the class token's row alone (token 0), without what it pays itself,
            made to sum to one over the patches again.
        layers: the student's layers to compare, negative ones counted from the end; none for all.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: tokens differ, head counts differ under `"each"`, or a setting is unknown.
    """
    if heads == "mix":
        raise UsageError("heads: 'mix' is learnt; use the module AttentionDistillation and call its adapt")
    student, teacher = _matched(student_attention, teacher_attention, layers)
    return reduced(_compare(student, teacher, form=form, heads=heads, rows=rows), reduction)


class AttentionDistillation(nn.Module):
    """`attention_distillation` with its settings kept; `heads="mix"` learns which teacher heads to follow.

    Each student head of each layer has a softmax over that layer's teacher heads, so the mixture's rows
    still sum to one. It starts as the mean.
    """

    def __init__(
        self,
        *,
        form: Form = "row-kl",
        heads: Heads = "mean",
        rows: Rows = "all",
        layers: Sequence[int] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.form: Form = form
        self.heads: Heads = heads
        self.rows: Rows = rows
        self.layers = layers
        self.reduction: Reduction = reduction
        self.mixing: nn.Parameter | None = None

    def adapt(self, student_attention: Tensor, teacher_attention: Tensor) -> None:
        """Returns nothing; makes the mixing (L, H, H') if `heads` is `"mix"`."""
        if self.heads == "mix":
            student, teacher = _matched(student_attention, teacher_attention, self.layers)
            shape = (student.shape[1], student.shape[2], teacher.shape[2])
            self.mixing = nn.Parameter(torch.zeros(shape, device=student.device))

    def forward(self, student_attention: Tensor, teacher_attention: Tensor) -> Tensor:
        """Returns the loss of the student's maps (B, L, H, N, N) against the teacher's."""
        student, teacher = _matched(student_attention, teacher_attention, self.layers)
        if self.heads == "mix":
            teacher = self._mixed(teacher)
        heads: Heads = "each" if self.heads == "mix" else self.heads
        return reduced(
            _compare(student, teacher, form=self.form, heads=heads, rows=self.rows), self.reduction
        )

    def _mixed(self, teacher: Tensor) -> Tensor:
        if self.mixing is None:
            raise UsageError("heads: 'mix' has nothing to learn yet; call adapt with example inputs first")
        shares = self.mixing.softmax(-1).to(teacher.dtype)
        return torch.einsum("lst,bltqk->blsqk", shares, teacher)


def _matched(student: Tensor, teacher: Tensor, layers: Sequence[int] | None) -> tuple[Tensor, Tensor]:
    same_tokens(student.shape[-1], teacher.shape[-1])
    ours, theirs = zip(*matched_layers(student.shape[1], teacher.shape[1], layers), strict=True)
    return student[:, list(ours)], teacher.detach().to(student.dtype)[:, list(theirs)]


def _compare(student: Tensor, teacher: Tensor, *, form: Form, heads: Heads, rows: Rows) -> Tensor:
    """Returns (B,) from two (B, L, heads, N, N) of equal L; gradients reach both."""
    for kind, name, known in (("form", form, FORMS), ("heads", heads, HEADS), ("rows", rows, ROWS)):
        if name not in known:
            raise UnknownName(kind, name, known)
    student, teacher = HEADS[heads](student), HEADS[heads](teacher)
    if student.shape[2] != teacher.shape[2]:
        counts = f"the student has {student.shape[2]} heads, the teacher {teacher.shape[2]}"
        raise UsageError(f"heads: 'each' wants equal counts, but {counts}; take 'mean' or 'mix'")
    return FORMS[form](ROWS[rows](student), ROWS[rows](teacher)).flatten(1).mean(1)


def _row_kl(student: Tensor, teacher: Tensor) -> Tensor:
    # A softmax can underflow to 0; the smallest normal number keeps the logarithm finite.
    tiny = torch.finfo(student.dtype).tiny
    return (teacher * (teacher.clamp_min(tiny).log() - student.clamp_min(tiny).log())).sum(-1)


def _square(student: Tensor, teacher: Tensor) -> Tensor:
    return (student - teacher).square().sum(-1)


def _class_row(attention: Tensor) -> Tensor:
    return functional.normalize(attention[..., :1, 1:], p=1, dim=-1)


FORMS = {"row-kl": _row_kl, "mse": _square}
HEADS = {"mean": lambda attention: attention.mean(2, keepdim=True), "each": lambda attention: attention}
ROWS = {"all": lambda attention: attention, "cls": _class_row}
