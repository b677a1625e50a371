"""Exact search: all templates in one matrix, which is multiplied with what is looked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_FIRST = 64  # Rows that there is room for at first; twice as many whenever they are full.


class Matrix:
    """Templates (n, d) of unit length and whose each is; grows at the end, and a search leaves none out."""

    def __init__(self, dimensions: int, room: int = _FIRST) -> None:
        self._vectors = np.empty((max(room, _FIRST), dimensions), np.float32)
        self._people = np.empty(max(room, _FIRST), np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, vectors: Vectors, people: NDArray[np.int64]) -> None:
        """Adds templates (m, d) and whose they are (m,)."""
        end = self._count + len(vectors)
        if end > len(self._people):
            more = max(end, 2 * len(self._people)) - len(self._people)
            self._vectors = np.concatenate(
                [self._vectors, np.empty((more, self._vectors.shape[1]), np.float32)]
            )
            self._people = np.concatenate([self._people, np.empty(more, np.int64)])
        self._vectors[self._count : end] = vectors
        self._people[self._count : end] = people
        self._count = end

    def nearest(self, vector: Vectors) -> tuple[int, float] | None:
        """Returns whose template has the highest cosine with a vector (d,), and that; None of no template."""
        if not self._count:
            return None
        scores = self._vectors[: self._count] @ vector
        best = int(scores.argmax())
        return int(self._people[best]), float(scores[best])
