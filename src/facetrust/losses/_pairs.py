"""Distances and directions between the samples of a batch, with gradients that stay finite."""

from __future__ import annotations

from torch import Tensor


def distances(embedding: Tensor) -> Tensor:
    """Returns (B, B) Euclidean distances between the rows of (B, d)."""
    return _lengths(_differences(embedding))


def directions(embedding: Tensor) -> Tensor:
    """Returns (B, B, d) unit vectors from row i to row j of (B, d); zero where both are the same point."""
    differences = _differences(embedding)
    lengths = _lengths(differences)
    return differences / lengths.masked_fill(lengths == 0, 1).unsqueeze(-1)


def _differences(embedding: Tensor) -> Tensor:
    return embedding.unsqueeze(0) - embedding.unsqueeze(1)


def _lengths(differences: Tensor) -> Tensor:
    # The root has an infinite slope at 0; there it is never asked, and the gradient is 0.
    squares = differences.square().sum(-1)
    same = squares == 0
    return squares.masked_fill(same, 1).sqrt().masked_fill(same, 0)
