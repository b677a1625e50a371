"""How scores become probabilities: a monotone calibration, fitted on dev."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError
from facetrust.metrics import checked, fit_logistic
from facetrust.records import Calibration, Split
from facetrust.records.cards import logit_of


def fit_calibration(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    manifest: str,
    split: Split,
    domains: ArrayLike | None = None,
) -> Calibration:
    """Returns Platt's calibration of scores in [0, 1]: a logistic regression on their logit.

    Each label counts one half, and of a label's half every domain that has such rows the same: neither how
    frequent attacks are on dev nor a large domain decides. With a ridge of 1 on the slope, so that classes
    that dev parts do not make every answer certain.

    Raises:
        MetricError: see `facetrust.metrics.checked`; a score outside [0, 1]; or the scores do not rise with
            the label, so that nothing monotone calibrates them.
    """
    marks, values = checked(labels, scores)
    if values.min() < 0 or values.max() > 1:
        raise MetricError("scores outside [0, 1] cannot be calibrated by their logit")
    names = np.full(len(marks), "") if domains is None else np.asarray(domains).astype(str)
    logits = np.array([[logit_of(value)] for value in values.tolist()])
    fitted = fit_logistic(logits, marks.astype(np.int64), counts=_counts(marks, names))
    slope = float(fitted.weights[0] / fitted.scale[0])
    if not slope > 0:
        raise MetricError("the scores do not rise with the label; no monotone calibration fits them")
    offset = fitted.bias - slope * float(fitted.mean[0])
    return Calibration(slope=slope, offset=offset, manifest=manifest, split=split)


def _counts(labels: NDArray[np.int_], domains: NDArray[np.str_]) -> NDArray[np.float64]:
    """How often each row counts, as many in all as there are rows: labels alike, and a label's domains."""
    counts = np.empty(len(labels))
    for label in (0, 1):
        own = labels == label
        present = np.unique(domains[own])
        for name in present:
            rows = own & (domains == name)
            counts[rows] = len(labels) / (2 * len(present) * rows.sum())
    return counts
