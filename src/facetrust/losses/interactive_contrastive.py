"""Contrast of the student's embeddings with the teacher's of the other kind (CLIP-KD, interactive)."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.losses._affinity import affinity
from facetrust.losses._check import above_zero, same_width
from facetrust.losses._projection import projection
from facetrust.losses._reduction import Reduction, reduced


def interactive_contrastive(
    student_embedding: Tensor,
    student_text: Tensor,
    teacher_embedding: Tensor,
    teacher_text: Tensor,
    *,
    scale: float = 1 / 0.07,
    reduction: Reduction = "mean",
) -> Tensor:
    """Returns InfoNCE in nats, the mean of student image to teacher texts and student text to teacher images.

    The published form has one positive per sample, its own. Where several samples share one text, as with
    two classes, that would push equal texts apart. So all samples of the same text are positives: the
    target's mass is shared equally among those whose teacher text is the same, number for number. With
    distinct texts it is the published form; with k equal texts the image's part is at least log k.
    Source: CLIP-KD (Yang et al. 2023, arXiv 2307.12732), ICL. The scale is a constant here; theirs is
    learnt from 1 / 0.07, and their code uses its logarithm.

    Args:
        student_embedding: (B, d) image embeddings, brought to unit length here as are all four.
        student_text: (B, d), of each sample's own class; the gradient flows to the student's two only.
        teacher_embedding: (B, d).
        teacher_text: (B, d).
        scale: one over the temperature, above 0.
        reduction: `"mean"` gives a scalar, `"none"` (B,).

    Raises:
        UsageError: the widths differ; the module learns projections.
    """
    above_zero(scale=scale)
    for student, teacher in ((student_embedding, teacher_embedding), (student_text, teacher_text)):
        same_width("interactive_contrastive", student, teacher)
    same = (teacher_text.unsqueeze(1) == teacher_text).all(-1).to(student_text.dtype)
    target = same / same.sum(1, keepdim=True)
    texts, images = (part.detach().to(student_text.dtype) for part in (teacher_text, teacher_embedding))
    from_image = affinity(student_embedding, texts, scale=scale).log_softmax(1)
    from_text = affinity(student_text, images, scale=scale).log_softmax(1)
    return reduced(-(target * (from_image + from_text)).sum(1) / 2, reduction)


class InteractiveContrastive(nn.Module):
    """`interactive_contrastive` with its settings kept, and projections where the widths differ."""

    def __init__(self, *, scale: float = 1 / 0.07, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.scale = scale
        self.reduction: Reduction = reduction
        self.image_projection: nn.Module = nn.Identity()
        self.text_projection: nn.Module = nn.Identity()

    def adapt(
        self,
        student_embedding: Tensor,
        student_text: Tensor,
        teacher_embedding: Tensor,
        teacher_text: Tensor,
    ) -> None:
        """Returns nothing; makes linear layers from the student's widths to the teacher's if they differ."""
        self.image_projection = projection(student_embedding, teacher_embedding)
        self.text_projection = projection(student_text, teacher_text)

    def forward(
        self,
        student_embedding: Tensor,
        student_text: Tensor,
        teacher_embedding: Tensor,
        teacher_text: Tensor,
    ) -> Tensor:
        """Returns the loss of the student's images and texts (B, d) against the teacher's (B, d')."""
        return interactive_contrastive(
            self.image_projection(student_embedding),
            self.text_projection(student_text),
            teacher_embedding,
            teacher_text,
            scale=self.scale,
            reduction=self.reduction,
        )
