"""Limits of quality from planted errors, and the monotone fit against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.protocols import fit_limit
from facetrust.protocols._risk_coverage import _falling


def planted(count: int = 4000, *, small: float = 40, below: float = 0.4, above: float = 0.02, seed: int = 0):
    """Faces of 10 to 130 pixels whose errors are many below a size and few above it, on both labels."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(10, 130, count)
    labels = rng.integers(0, 2, count)
    wrong = rng.random(count) < np.where(sizes < small, below, above)
    return sizes, labels, wrong


def test_the_size_below_which_errors_rise_comes_out() -> None:
    sizes, labels, wrong = planted()
    found = fit_limit("least_size", sizes, labels, wrong, bound=0.1)
    assert found.value == pytest.approx(40, abs=1.5)
    exact = fit_limit("least_size", [20, 30, 39, 41, 50, 60], [0] * 6, [1, 1, 1, 0, 0, 0], bound=0.1)
    assert exact.value == 40


def test_a_limit_from_above_mirrors_one_from_below() -> None:
    sizes, labels, wrong = planted()
    least = fit_limit("least_size", sizes, labels, wrong, bound=0.1)
    most = fit_limit("most_dark", 1 - sizes / 200, labels, wrong, bound=0.1)
    assert most.value == pytest.approx(1 - least.value / 200)


def test_the_worse_label_decides() -> None:
    sizes, labels, _ = planted()
    rng = np.random.default_rng(1)
    knee = np.where(labels == 1, 70, 40)
    wrong = rng.random(len(sizes)) < np.where(sizes < knee, 0.4, 0.02)
    assert fit_limit("least_size", sizes, labels, wrong, bound=0.1).value == pytest.approx(70, abs=2)


def test_a_label_that_no_limit_helps_has_no_say() -> None:
    """Attacks that pass at every size must not leave all faces unjudged."""
    sizes, labels, wrong = planted()
    passing = np.random.default_rng(1).random(len(sizes)) < 0.3
    wrong = np.where(labels == 1, passing, wrong)
    assert fit_limit("least_size", sizes, labels, wrong, bound=0.1).value == pytest.approx(40, abs=1.5)
    all_wrong = fit_limit("least_size", sizes, labels, np.ones_like(labels), bound=0.1)
    assert all_wrong.value is None


def test_without_errors_the_limit_is_what_dev_showed() -> None:
    sizes, labels, _ = planted()
    found = fit_limit("least_size", sizes, labels, np.zeros_like(labels), bound=0.1)
    assert np.mean(sizes < found.value) == pytest.approx(0.01, abs=0.001)


def test_every_domain_counts_alike() -> None:
    """A large domain without errors does not hide that a small one needs a limit."""
    sizes, _, wrong = planted(400)
    large = np.random.default_rng(2).uniform(10, 130, 8000)
    both = np.concatenate([sizes, large]), np.zeros(8400), np.concatenate([wrong, np.zeros(8000)])
    names = ["small"] * 400 + ["large"] * 8000
    pooled = fit_limit("least_size", *both, bound=0.1)
    apart = fit_limit("least_size", *both, bound=0.1, domains=names)
    assert pooled.value < 15
    assert apart.value == pytest.approx(40, abs=5)


def test_the_curve_counts_what_is_left() -> None:
    values = np.arange(100.0)
    labels = np.tile([0, 1], 50)
    wrong = values < 20
    found = fit_limit("least_size", values, labels, wrong, bound=0.1)
    by_coverage = {round(each.coverage, 2): each for each in found.curve}
    assert by_coverage[1.0].bpcer == by_coverage[1.0].apcer == 0.2
    left = by_coverage[0.9]
    assert (left.value, left.bpcer) == (10, pytest.approx(5 / 45))
    assert by_coverage[0.8].apcer == 0
    assert [each.coverage for each in found.curve] == sorted((e.coverage for e in found.curve), reverse=True)
    genuine = fit_limit("least_size", values, np.zeros(100), wrong, bound=0.1)
    assert {each.apcer for each in genuine.curve} == {None}


def test_the_monotone_fit_is_the_isotonic_regression() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(3)
    risk, weight = rng.random(80) - np.linspace(0, 1, 80), rng.uniform(0.5, 3, 80)
    other = isotonic.IsotonicRegression(increasing=False).fit(np.arange(80), risk, weight)
    assert np.allclose(_falling(risk, weight), other.predict(np.arange(80)))


@pytest.mark.parametrize(("values", "bound"), [([], 0.1), ([np.nan], 0.1), ([1.0], 0.0), ([1.0], 1.0)])
def test_what_is_no_question(values, bound) -> None:
    with pytest.raises(MetricError, match="least_size"):
        fit_limit("least_size", values, [0] * len(values), [0] * len(values), bound=bound)
