"""Distillation of where a convolutional network looks (attention transfer)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._reduction import Reduction, reduced


def spatial_attention(student_map: Tensor, teacher_map: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Returns the squared distance of the attention maps, each of unit length: in [0, 2].

    A feature map's attention is the sum of its channels' squares in every cell. The finer map is averaged
    down to the grid of the coarser one, so that networks of different stride can be compared; channels may
    differ. Source: Zagoruyko and Komodakis 2017 (arXiv 1612.03928), activation-based attention with p = 2;
    there the squares are averaged over cells too, which is a factor of their number.

    Args:
        student_map: (B, c, h, w), the last feature map; the gradient flows here only.
        teacher_map: (B, c', h', w').
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    student = student_map.square().sum(1, keepdim=True)
    teacher = teacher_map.detach().to(student.dtype).square().sum(1, keepdim=True)
    grid = (min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3]))
    ours, theirs = (
        functional.normalize(functional.adaptive_avg_pool2d(each, grid).flatten(1), dim=1)
        for each in (student, teacher)
    )
    return reduced((ours - theirs).square().sum(1), reduction)
