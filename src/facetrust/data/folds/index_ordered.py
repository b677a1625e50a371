"""A list of pictures, sorted by person, cut by index: a mistake, kept so that it can be measured.

Whoever is tested was never trained on, so that nobody can be named: a closed-set accuracy is near 0 by the
split alone. Whoever compares networks by naming people needs `shuffled`, whoever compares faces a split of
people (`data prepare`).
"""

from __future__ import annotations

from collections.abc import Sequence

from facetrust.data.folds._cut import cut
from facetrust.data.folds._fold import Fold
from facetrust.records import Sample


def index_ordered(
    samples: Sequence[Sample], *, seed: int = 0, train_share: float = 0.798, dev_share: float = 0.1
) -> list[Fold]:
    """Returns the fold `index-ordered`: rows by path, the first `train_share` to learn from, the rest test.

    Args:
        samples: rows of pictures; their paths begin with the person's name.
        seed: decides nothing.
        train_share: 0.798 is 10,560 of LFW's 13,233 pictures.
        dev_share: share of these that become dev, from their end.

    Raises:
        UsageError: a share does not lie between 0 and 1.
        ProtocolError: there are too few rows.
    """
    rows = sorted(samples, key=lambda row: row.path)
    return cut("index-ordered", rows, train_share=train_share, dev_share=dev_share)
