"""How close every image of a batch is to every text."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def affinity(embedding: Tensor, text: Tensor, *, scale: float) -> Tensor:
    """Returns (B, B) `scale` times the cosine between embedding i (row) and text j (column), both (B, d)."""
    return scale * functional.normalize(embedding, dim=1) @ functional.normalize(text, dim=1).T
