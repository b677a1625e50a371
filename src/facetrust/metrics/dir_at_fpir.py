"""Open-set identification: how many are found and named while few strangers are taken for somebody."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.errors import MetricError
from facetrust.metrics._check import checked, checked_share


def dir_at_fpir(
    labels: ArrayLike, scores: ArrayLike, *, fpir: float = 0.01, named: ArrayLike | None = None
) -> float:
    """Returns the highest detection and identification rate whose false positive rate is at most `fpir`.

    Labels are 1 for probes whose person is in the gallery and 0 for strangers, scores the highest similarity
    to anyone in it. A probe of the gallery counts where its score reaches the threshold and `named` says that
    the most similar person is the right one (all are, without it); a stranger whose score reaches it is a
    false positive. Ties: a score equal to the threshold reaches it; there is no interpolation.

    Raises:
        MetricError: see `facetrust.metrics.checked`; `fpir` not in [0, 1]; not one value of `named` per row.

    Source: Phillips, Grother and Micheals, Evaluation methods in face recognition (2011), 21.4: the detection
        and identification rate at rank 1; ISO/IEC 19795-1, false-positive identification-error rate.
    """
    marks, values = checked(labels, scores)
    checked_share(fpir, "fpir")
    right = np.ones(len(marks), bool) if named is None else np.asarray(named).astype(bool)
    if right.shape != marks.shape:
        raise MetricError(f"{right.size} values of `named` do not fit {len(marks)} rows; give one per row")
    strangers = np.sort(values[marks == 0])
    # Rates are compared, not counts: 29 of 100 is exactly the number 0.29, yet 0.29 * 100 is not 29.
    allowed = int(np.searchsorted(np.arange(len(strangers) + 1) / len(strangers), fpir, side="right")) - 1
    if allowed >= len(strangers):
        reached = np.ones(len(marks), bool)
    else:  # Above the first stranger who must not pass.
        reached = values > strangers[len(strangers) - 1 - allowed]
    return float((reached & right)[marks == 1].mean())
