"""What an exported model itself says of where its logit comes from: no gradient, no PyTorch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UsageError
from facetrust.runtime.model import Model


def evidence(exported: Model, crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns (B, gh, gw) float32: what each cell adds to the logit, which is the mean over them.

    Units are those of the logit; above 0 speaks for the answer 1, below for 0. What a cell is, the card's
    `evidence_means` says.

    Args:
        exported: from `load_model`.
        crops: (B, 3, h, w) as `Model.crops` cuts them.

    Raises:
        UsageError: the model has no evidence map.
    """
    found = exported.answer(crops, evidence=True).evidence
    if found is None:
        raise UsageError(f"{exported.name}: has no evidence map; nothing can be drawn")
    return found[:, 0]
