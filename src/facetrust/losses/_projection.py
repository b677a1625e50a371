"""The layer between two widths, and a loss of embeddings behind it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from facetrust.losses._reduction import Reduction


def projection(student: Tensor, teacher: Tensor) -> nn.Module:
    """Returns a linear layer from the student's last axis to the teacher's; nothing to learn where equal."""
    if student.shape[-1] == teacher.shape[-1]:
        return nn.Identity()
    return nn.Linear(student.shape[-1], teacher.shape[-1], device=student.device)


class Projected(nn.Module):
    """A loss of two embeddings with its settings kept, and a projection where the widths differ."""

    def __init__(self, loss: Callable[..., Tensor], *, reduction: Reduction) -> None:
        super().__init__()
        self.loss = loss
        self.reduction: Reduction = reduction
        self.projection: nn.Module = nn.Identity()

    def adapt(self, student_embedding: Tensor, teacher_embedding: Tensor) -> None:
        """Returns nothing; makes a linear layer from the student's width to the teacher's if they differ."""
        self.projection = projection(student_embedding, teacher_embedding)

    def forward(self, student_embedding: Tensor, teacher_embedding: Tensor) -> Tensor:
        """Returns the loss of the student's embeddings (B, d) against the teacher's (B, d')."""
        return self.loss(self.projection(student_embedding), teacher_embedding, reduction=self.reduction)
