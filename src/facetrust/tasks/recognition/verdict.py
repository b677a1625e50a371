"""An embedding decides nothing alone; it is compared with others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.errors import ModelError
from facetrust.records import Embedding, ModelCard


def judge(vector: ArrayLike, card: ModelCard) -> Embedding:
    """Returns the embedding (d,) as a record, brought to unit length.

    Raises:
        ModelError: it is not finite, or has no length.
    """
    values = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(values))
    if not (np.isfinite(length) and length > 0):
        raise ModelError(
            f"{card.title}: answered with an embedding of length {length}; it cannot be compared"
        )
    unit = values / length
    return Embedding(
        task=card.task, model=card.title, dimensions=len(unit), vector=tuple(float(value) for value in unit)
    )
