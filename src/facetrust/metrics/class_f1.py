"""F1 of one class of a mask."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.errors import MetricError
from facetrust.metrics._counts import checked_counts, class_ratios


def class_f1(counts: ArrayLike, *, index: int) -> float:
    """Returns F1 of the class `index`, 2 n_cc / (n_c. + n_.c), in [0, 1], over all pixels together.

    Raises:
        MetricError: counts are no confusion matrix, there is no such class, or it occurs nowhere.

    Source: van Rijsbergen, Information Retrieval (1979), ch. 7; Dice, Ecology 26 (1945).
    """
    ratios = class_ratios(checked_counts(counts), twice=True)
    if not 0 <= index < len(ratios):
        raise MetricError(f"class {index}: there are {len(ratios)}, from 0")
    if not ratios[index] >= 0:
        raise MetricError(f"class {index} occurs neither in the masks nor in the answers")
    return float(ratios[index])
