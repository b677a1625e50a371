"""Distillation of the relations between tokens (MiniLMv2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from facetrust.errors import UsageError
from facetrust.losses._divergence import row_divergence
from facetrust.losses._layers import matched_layers, same_tokens
from facetrust.losses._reduction import Reduction, reduced

PerLayer = Sequence[Tensor]


def relation_distillation(
    student_queries: PerLayer,
    student_keys: PerLayer,
    student_values: PerLayer,
    teacher_queries: PerLayer,
    teacher_keys: PerLayer,
    teacher_values: PerLayer,
    *,
    layer: int = -1,
    relation_heads: int = 12,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns the sum over X in {Q, K, V} of KL(teacher || student) of softmax(X X^T / sqrt(e')), in nats.

    One layer's heads are joined and cut again into `relation_heads` of width e', so student and teacher
    may differ in heads and width. Each of the three is a mean over relation heads and rows.
    Source: Wang et al. 2021 (MiniLMv2, arXiv 2012.15828), all three relations weighted alike.

    Args:
        student_queries: L tensors (B, H, N, e); the gradient flows to the student's three only.
        student_keys: as the queries.
        student_values: as the queries.
        teacher_queries: L' tensors (B, H', N, e').
        teacher_keys: as the teacher's queries.
        teacher_values: as the teacher's queries.
        layer: the student's, negative counted from its end; the teacher's follows from
            `facetrust.losses._layers.matched_layers`, the last from the last.
        relation_heads: must divide H e and H' e'. More heads, finer relations.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: the heads do not divide a width, tokens differ, or the layer does not exist.
    """
    [(i, j)] = matched_layers(len(student_queries), len(teacher_queries), (layer,))
    ours = [part[i] for part in (student_queries, student_keys, student_values)]
    theirs = [part[j] for part in (teacher_queries, teacher_keys, teacher_values)]
    same_tokens(ours[0].shape[2], theirs[0].shape[2])
    each = [
        row_divergence(_relations(student, relation_heads), _relations(teacher, relation_heads)).mean((1, 2))
        for student, teacher in zip(ours, theirs, strict=True)
    ]
    return reduced(each[0] + each[1] + each[2], reduction)


def _relations(part: Tensor, heads: int) -> Tensor:
    """Returns (B, heads, N, N) scores, the softmax still to come, from (B, H, N, e)."""
    joined = part.transpose(1, 2).flatten(2)
    width = joined.shape[-1]
    if heads < 1 or width % heads:
        raise UsageError(f"relation_heads: {heads} does not divide the width {width}; take one that does")
    cut = joined.view(*joined.shape[:2], heads, -1).transpose(1, 2)
    # The root is shared out before the product, which half precision could not hold otherwise.
    cut = cut / math.sqrt(math.sqrt(width // heads))
    return cut @ cut.mT
