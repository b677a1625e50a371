"""Distillation of a batch's image-text affinities by soft cross-entropy (TinyCLIP)."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._affinity import affinity
from facetrust.losses._check import above_zero
from facetrust.losses._reduction import Reduction, reduced


def affinity_mimicking(
    student_embedding: Tensor,
    student_text: Tensor,
    teacher_embedding: Tensor,
    teacher_text: Tensor,
    *,
    scale: float = 50.0,
    teacher_scale: float = 50.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns -sum p log q over the batch, in nats, the mean of image to text and text to image.

    p and q are the teacher's and the student's softmax of scaled cosines. It is `contrastive_relational`
    plus the teacher's entropy, so the gradients agree and the least value is that entropy, not 0.
    Where several samples share one text, as with two classes, equal texts have equal shares: the image's
    row compares the classes, weighted by how often each is in the batch, and k equal texts add log k.
    Source: TinyCLIP (Wu et al. 2023, arXiv 2309.12314), affinity mimicking; scale 50 as its code sets it.

    Args:
        student_embedding: (B, d) image embeddings, brought to unit length here as are all four.
        student_text: (B, d), of each sample's own class; the gradient flows to the student's two only.
        teacher_embedding: (B, d').
        teacher_text: (B, d').
        scale: the student's exp(logit_scale), above 0.
        teacher_scale: the teacher's, above 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    above_zero(scale=scale, teacher_scale=teacher_scale)
    student = affinity(student_embedding, student_text, scale=scale)
    teacher = affinity(teacher_embedding, teacher_text, scale=teacher_scale).detach().to(student.dtype)
    return reduced((_cross_entropy(student, teacher) + _cross_entropy(student.T, teacher.T)) / 2, reduction)


def _cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    return -(teacher.softmax(1) * student.log_softmax(1)).sum(1)
