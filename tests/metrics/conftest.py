from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(params=range(12))
def crowd(request):
    """Labels, scores with many ties, and species of a random test set; both classes are there."""
    chance = np.random.default_rng(request.param)
    rows = int(chance.integers(4, 40))
    labels = chance.permutation(np.r_[0, 1, chance.integers(0, 2, rows)])
    scores = chance.integers(0, 1 + request.param * 2, len(labels)) / 30
    species = np.where(labels == 1, chance.choice(["print", "replay", "mask"], len(labels)), None)
    return labels, scores, species
