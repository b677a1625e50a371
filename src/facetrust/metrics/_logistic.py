"""A logistic regression, for what several rooms fit: trivial baselines, audits and calibration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_SURE = 20  # Log odds: 1 in 500 million.


class Logistic(NamedTuple):
    """A fitted logistic regression: standardised features, weights (d,), bias."""

    mean: Values
    scale: Values
    weights: Values
    bias: float

    def score(self, features: Values) -> Values:
        """Returns the (N,) log odds of attack for features (N, d)."""
        return np.asarray((features - self.mean) / self.scale @ self.weights + self.bias)

    def probability(self, features: Values) -> Values:
        """Returns the (N,) chance of attack for features (N, d).

        Log odds beyond 20 grow as their logarithm from there. Values far from those fitted on would
        otherwise all round to one chance, and rows that the measure tells apart would be ties.
        """
        odds = self.score(features)
        size = np.abs(odds)
        flattened = np.minimum(size, _SURE) + np.log1p(np.maximum(size - _SURE, 0))
        return np.asarray(0.5 * (1 + np.tanh(0.5 * np.copysign(flattened, odds))))


def fit_logistic(
    features: Values, labels: NDArray[np.int64], *, ridge: float = 1.0, counts: Values | None = None
) -> Logistic:
    """Returns a logistic regression fitted by Newton's method, deterministic.

    Args:
        features: (N, d); standardised inside.
        labels: (N,) 0 or 1; both must occur.
        ridge: weight of the squared norm of the weights (not the bias) beside the summed log loss.
        counts: (N,) how often each row counts; once if none are given.
    """
    counts = np.ones(len(features)) if counts is None else counts
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.column_stack([(features - mean) / scale, np.ones(len(features))])
    penalty = np.diag([*([ridge] * features.shape[1]), 1e-9])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 0.5 * (1 + np.tanh(0.5 * (design @ found)))
        slope = design.T @ (counts * (chance - labels)) + penalty @ found
        curve = (design * (counts * chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve, slope)
        # A full Newton step can overshoot where the classes lie far apart.
        found = found - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-8:
            break
    return Logistic(mean, scale, found[:-1], float(found[-1]))
