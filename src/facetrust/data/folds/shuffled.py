"""A list of pictures cut at random: most people are on both sides. For naming known people, and nothing else.

Who has one picture alone is in train or in test and cannot be named there; who is on both sides makes figures
of verification, and of strangers, better than they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facetrust.data.folds._cut import cut
from facetrust.data.folds._fold import Fold
from facetrust.records import Sample


def shuffled(
    samples: Sequence[Sample], *, seed: int = 0, train_share: float = 0.798, dev_share: float = 0.1
) -> list[Fold]:
    """Returns the fold `shuffled`: rows in an order drawn under the seed, cut as by `index_ordered`.

    Raises:
        UsageError: a share does not lie between 0 and 1.
        ProtocolError: there are too few rows.
    """
    rows = sorted(samples, key=lambda row: row.path)
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    return cut("shuffled", [rows[at] for at in order], train_share=train_share, dev_share=dev_share)
