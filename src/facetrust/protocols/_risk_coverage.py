"""Limits of quality: from which size, sharpness or light on a model errs no more than a stated bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError
from facetrust.records import Record

COVERAGES = (1.0, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5)
_OUTERMOST = 0.01  # Share of the rows beyond which a limit lies outside what dev showed.
_LEAST_LEFT = 0.25  # Share of a label's rows that a limit must leave; the best few are right by chance.
_LABELS = (0, 1)

Values = NDArray[np.float64]


class Coverage(Record):
    """The errors at one limit of quality, over the rows that it leaves.

    coverage: share of the rows within the limit. bpcer, apcer: shares in [0, 1], every domain counting alike;
    none where no such row is left.
    """

    coverage: float
    value: float
    bpcer: float | None = None
    apcer: float | None = None


class FittedLimit(Record):
    """A limit of `QualityLimits` as dev gives it, with the risk-coverage curve of its measure.

    limit: the field's name. value: none where no limit helps, as the errors are above the bound everywhere.
    errors: what the curve's `bpcer` and `apcer` are called, the errors of label 0 and of label 1.
    """

    limit: str
    value: float | None
    rows: int
    curve: tuple[Coverage, ...]
    errors: tuple[str, str] = ("BPCER", "APCER")


def fit_limit(
    limit: str,
    values: ArrayLike,
    labels: ArrayLike,
    wrong: ArrayLike,
    *,
    bound: float,
    domains: ArrayLike | None = None,
) -> FittedLimit:
    """Returns the loosest limit of a measure of quality from which on errors stay at most `bound`.

    The errors of each label are made monotone in the measure (isotonic regression: fewer, the better a face
    is), every domain counting alike, and the limit lies where both come down to the bound: halfway between
    the last value above it and the first that is not. A label has no say where that would leave less than a
    quarter of its rows: what brings its errors down is no limit on this measure. Where errors are nowhere
    above it, the limit is the value that 1 % of the rows lie beyond: no model is proven beyond what dev
    showed.

    Args:
        limit: `least_<measure>` or `most_<measure>`.
        values: (N,) the measure.
        labels: (N,) 0 or 1.
        wrong: (N,) whether the model decided wrongly.
        bound: greatest share of wrong decisions, above 0 and below 1.
        domains: (N,) names; all rows are one domain without.

    Raises:
        MetricError: no rows, a value that is not finite, or a bound out of range.
    """
    measured, marks = np.asarray(values, np.float64), np.asarray(labels)
    errors = np.asarray(wrong, np.float64)
    names = np.full(len(measured), "") if domains is None else np.asarray(domains).astype(str)
    if not len(measured) or not np.isfinite(measured).all():
        raise MetricError(f"{limit}: there must be rows, and all values finite")
    if not 0 < bound < 1:
        raise MetricError(f"{limit}: a bound of {bound} is not above 0 and below 1")
    sign = 1.0 if limit.startswith("least_") else -1.0
    better = sign * measured  # From here on, more is better.
    found = [
        _reaches(better[own], errors[own], _counts(names[own]), bound)
        for own in (marks == label for label in _LABELS)
        if own.any()
    ]
    helpful = [each for each in found if each is not None]
    value = None
    if helpful:
        value = float(sign * max(*helpful, np.quantile(better, _OUTERMOST, method="lower")))
    return FittedLimit(
        limit=limit, value=value, rows=len(better), curve=_curve(sign, better, marks, errors, names)
    )


def _reaches(values: Values, errors: Values, counts: Values, bound: float) -> float | None:
    """The value from which on the monotone error is at most `bound`; -inf: everywhere; None: nowhere."""
    levels, place = np.unique(values, return_inverse=True)
    weight = np.asarray(np.bincount(place, weights=counts), np.float64)
    risk = _falling(np.bincount(place, weights=counts * errors) / weight, weight)
    within = np.flatnonzero(risk <= bound)
    if weight[within].sum() < _LEAST_LEFT * weight.sum():
        return None
    first = int(within[0])
    return -np.inf if first == 0 else float(levels[first - 1] + levels[first]) / 2


def _falling(risk: Values, weight: Values) -> Values:
    """The nearest sequence that never rises, in weighted squares, by pooling adjacent violators."""
    blocks: list[list[float]] = []  # Mean, weight, count.
    for mean, size in zip(risk.tolist(), weight.tolist(), strict=True):
        blocks.append([mean, size, 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            mean, size, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * size) / (last[1] + size)
            last[1] += size
            last[2] += count
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks])


def _curve(
    sign: float, better: Values, labels: NDArray[np.int_], errors: Values, names: NDArray[np.str_]
) -> tuple[Coverage, ...]:
    curve = []
    for share in COVERAGES:
        value = float(np.sort(better)[round((1 - share) * len(better))])
        kept = better >= value
        rates: list[float | None] = []
        for label in _LABELS:
            own = kept & (labels == label)
            rates.append(float(np.average(errors[own], weights=_counts(names[own]))) if own.any() else None)
        curve.append(
            Coverage(coverage=float(kept.mean()), value=sign * value, bpcer=rates[0], apcer=rates[1])
        )
    return tuple(curve)


def _counts(names: NDArray[np.str_]) -> Values:
    """How often each row counts, so that all domains together count the same."""
    present, place, count = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray(len(names) / (len(present) * count[place]))
