"""Times of several models, each round all of them in turn, so that a busy moment strikes all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_WARM, _LEAST = 1, 3


def take_turns(
    runs: Sequence[Callable[[], object]], *, rounds: int, budget: float = 20.0
) -> NDArray[np.float64]:
    """Returns seconds (len(runs), R) of single calls: plain turns, first to last, round after round.

    Each timed call comes right after one of the same run that is not timed: else the time of a small model
    would be that of fetching its weights again, after a large one has filled the processor's caches.

    Args:
        rounds: how many are wanted; R is lower where `budget` ends first, but at least 3.
        budget: seconds after which no further round is begun.
    """
    for _ in range(_WARM):
        for run in runs:
            run()
    taken: list[list[float]] = []
    began = time.perf_counter()
    while len(taken) < rounds and (len(taken) < _LEAST or time.perf_counter() - began < budget):
        row = []
        for run in runs:
            run()
            start = time.perf_counter()
            run()
            row.append(time.perf_counter() - start)
        taken.append(row)
    return np.array(taken).T
