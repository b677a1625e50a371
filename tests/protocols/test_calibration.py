"""Platt's calibration: against scikit-learn's, and on planted probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics.ece import ece
from facetrust.protocols import fit_calibration
from facetrust.records import Calibration

HOW = {"manifest": "m", "split": "dev"}


def planted(count: int = 6000, *, slope: float = 2.0, offset: float = -1.0, seed: int = 0):
    """Labels alike in number, and scores whose logit z makes the chance sigmoid(slope z + offset)."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], count // 2)
    # Of two normals of one deviation, the log odds are a line.
    shift = rng.normal(np.where(labels == 1, 1.0, -1.0), 1.0)
    odds = 2 * shift  # (x + 1)^2 / 2 - (x - 1)^2 / 2
    return labels, 1 / (1 + np.exp(-(odds - offset) / slope))


def test_planted_probabilities_come_out() -> None:
    labels, scores = planted()
    found = fit_calibration(labels, scores, **HOW)
    assert found.slope == pytest.approx(2.0, rel=0.05)
    assert found.offset == pytest.approx(-1.0, abs=0.1)
    assert (found.manifest, found.split) == ("m", "dev")
    others, raw = planted(seed=1)
    calibrated = np.array([found.probability(each) for each in raw])
    assert ece(others, raw, balanced=True) > 0.1
    assert ece(others, calibrated, balanced=True) < 0.02
    assert np.array_equal(np.argsort(raw), np.argsort(calibrated))


def test_how_many_attacks_there_are_and_a_large_domain_change_nothing() -> None:
    labels, scores = planted()
    rare = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[::10]])
    found = fit_calibration(labels[rare], scores[rare], **HOW)
    assert found.offset == pytest.approx(-1.0, abs=0.2)
    repeated = np.concatenate([np.arange(6000), np.repeat(np.arange(0, 6000, 7), 20)])
    domains = np.where(np.arange(6000) % 7 == 0, "large", "small")
    often = fit_calibration(labels[repeated], scores[repeated], domains=domains[repeated], **HOW)
    once = fit_calibration(labels, scores, domains=domains, **HOW)
    assert (often.slope, often.offset) == pytest.approx((once.slope, once.offset), abs=0.02)


def test_against_another_implementation() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    labels, scores = planted(400)
    logits = np.log(scores / (1 - scores))[:, None]
    mean, deviation = logits.mean(), logits.std()
    other = linear.LogisticRegression(C=1.0, tol=1e-10).fit((logits - mean) / deviation, labels)
    slope = other.coef_[0, 0] / deviation
    found = fit_calibration(labels, scores, **HOW)
    assert found.slope == pytest.approx(slope, rel=1e-4)
    assert found.offset == pytest.approx(float(other.intercept_[0]) - slope * mean, rel=1e-4)


def test_the_ends_stay_finite_and_a_half_is_a_half() -> None:
    plain = Calibration(slope=1, offset=0, **HOW)
    assert plain.probability(0.5) == 0.5
    assert plain.probability(0.9) == pytest.approx(0.9)
    assert 0 < plain.probability(0.0) < 1e-6
    assert 1 - 1e-6 < plain.probability(1.0) < 1


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.9, 0.1], "do not rise"),
        ([0, 1], [0.5, 0.5], "do not rise"),
        ([0, 1], [0.5, 1.5], "outside"),
        ([0, 0], [0.5, 0.6], "one class"),
    ],
)
def test_what_cannot_be_calibrated(labels, scores, message) -> None:
    with pytest.raises(MetricError, match=message):
        fit_calibration(labels, scores, **HOW)
