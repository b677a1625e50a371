"""The logistic regression: where its slope is zero, against scikit-learn, and where classes lie apart."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.metrics import Logistic, fit_logistic


def test_the_fit_is_where_the_slope_is_zero() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 3)) * (1, 50, 0.01) + (0, 9, -3)
    labels = (features[:, 0] + features[:, 1] / 50 + rng.normal(size=200) > 0.2).astype(np.int64)
    fitted = fit_logistic(features, labels, ridge=2.0)
    error = 1 / (1 + np.exp(-fitted.score(features))) - labels
    slope = ((features - fitted.mean) / fitted.scale).T @ error + 2.0 * fitted.weights
    assert np.allclose(slope, 0, atol=1e-5)
    assert error.sum() == pytest.approx(0, abs=1e-5)


def test_the_fit_agrees_with_another() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(3)
    features = rng.normal(size=(150, 4))
    labels = (features @ (2, -1, 0, 0.5) + rng.normal(size=150) > 0).astype(np.int64)
    fitted = fit_logistic(features, labels, ridge=0.5)
    other = linear.LogisticRegression(C=2.0, tol=1e-10).fit((features - fitted.mean) / fitted.scale, labels)
    assert np.allclose(fitted.weights, other.coef_[0], atol=1e-4)
    assert fitted.bias == pytest.approx(float(other.intercept_[0]), abs=1e-4)


def test_the_fit_survives_separated_classes_and_dead_features() -> None:
    features = np.column_stack([np.r_[np.zeros(50), np.full(50, 1e6)], np.full(100, 5.0)])
    labels = np.repeat([0, 1], 50)
    fitted = fit_logistic(features, labels)
    assert fitted.score(features)[labels == 1].min() > fitted.score(features)[labels == 0].max()
    assert np.isfinite(fitted.weights).all()


def test_a_chance_is_the_logistic_function_and_stays_telling_where_that_would_round() -> None:
    fitted = Logistic(np.zeros(1), np.ones(1), np.ones(1), 0.5)
    usual = np.linspace(-20, 19, 40)[:, None]
    assert np.allclose(fitted.probability(usual), 1 / (1 + np.exp(-usual[:, 0] - 0.5)), rtol=1e-6)
    far = np.array([-5000.0, -400, -60, -40, -20, 0, 20, 40, 60, 400, 5000])[:, None]
    found = fitted.probability(far)
    assert np.all(np.diff(found) > 0)
    assert found.min() > 0
    assert found.max() < 1


def test_counts_are_how_often_a_row_is_there() -> None:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(60, 2))
    labels = (features[:, 0] + rng.normal(size=60) > 0).astype(np.int64)
    counts = rng.integers(1, 4, 60)
    # Standardised alike, or the ridge would weigh otherwise.
    often = fit_logistic(features, labels, ridge=0.0, counts=counts.astype(float))
    again = fit_logistic(np.repeat(features, counts, axis=0), np.repeat(labels, counts), ridge=0.0)
    assert np.allclose(often.score(features), again.score(features), atol=1e-6)
