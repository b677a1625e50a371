"""Distillation of how images and texts of a batch match (CLIP-KD, contrastive relational)."""

from __future__ import annotations

from torch import Tensor

from facetrust.losses._affinity import affinity
from facetrust.losses._check import above_zero
from facetrust.losses._divergence import row_divergence
from facetrust.losses._reduction import Reduction, reduced


def contrastive_relational(
    student_embedding: Tensor,
    student_text: Tensor,
    teacher_embedding: Tensor,
    teacher_text: Tensor,
    *,
    scale: float = 100.0,
    teacher_scale: float = 100.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns KL(teacher || student) of each sample's softmax over the batch in nats, mean of two directions.

    One direction is its image against all texts, the other its text against all images, each by scaled
    cosines. Where several samples share one text, as with two classes, equal texts have equal shares on
    both sides: the image's row compares the classes, weighted by how often each is in the batch, and the
    text's row is the same for all samples of a class. The least value stays 0.
    Source: CLIP-KD (Yang et al. 2023, arXiv 2307.12732), CRD.

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
    teacher = affinity(teacher_embedding, teacher_text, scale=teacher_scale)
    return reduced((row_divergence(student, teacher) + row_divergence(student.T, teacher.T)) / 2, reduction)
