"""Every metric: free of the rows' order, a plain number, and a named error where it is undefined."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from facetrust import registry
from facetrust.errors import MetricError
from facetrust.metrics import interval

NAMES = registry.names("metrics")
RNG = np.random.default_rng(3)
LABELS = np.array([0, 1] * 30)
SCORES = np.round(np.clip(RNG.normal(0.35 + 0.3 * LABELS, 0.2), 0, 1), 2)  # Rounded, so that ties occur.
BAD = {
    "one class": (np.ones(60), SCORES, "class"),
    "other class": (np.zeros(60), SCORES, "class"),
    "NaN": (LABELS, np.where(np.arange(60) == 3, np.nan, SCORES), "NaN"),
    "infinite": (LABELS, np.where(np.arange(60) == 3, np.inf, SCORES), "infinite"),
    "empty": ([], [], "no rows"),
    "too short": (LABELS[:-1], SCORES, "59 labels"),
    "label 2": (LABELS * 2, SCORES, "labels must be"),
    "text": (LABELS, ["high"] * 60, "must be numbers"),
    "a table": (LABELS[None], SCORES[None], "flat"),
}


def test_all_were_seen():
    wanted = {"acer", "apcer", "auc", "bpcer", "bpcer-at-apcer", "ece", "eer", "hter", "tpr-at-fpr"}
    assert wanted <= set(NAMES)
    assert len(NAMES) >= 11


FOLDS = np.arange(60) // 2 % 5  # Of pairs of rows, each with both labels.


def settings_of(name: str, order: Any = slice(None)) -> dict[str, Any]:
    """Returns what a metric asks for and has no default of: a threshold or folds, at most."""
    parameters = inspect.signature(registry.find("metrics", name)).parameters
    required = [p.name for p in parameters.values() if p.default is p.empty][2:]
    assert set(required) <= {"threshold", "folds"}
    return {each: 0.5 if each == "threshold" else FOLDS[order] for each in required}


@pytest.mark.parametrize("name", NAMES)
class TestEveryMetric:
    def test_says_what_it_returns_how_it_breaks_ties_and_where_it_comes_from(self, name):
        text = registry.find("metrics", name).__doc__ or ""
        assert text.startswith("Returns")
        assert "MetricError" in text
        assert "Source:" in text

    def test_takes_labels_and_scores_and_the_rest_by_keyword(self, name):
        first, second, *rest = inspect.signature(registry.find("metrics", name)).parameters.values()
        assert (first.name, second.name) == ("labels", "scores")
        assert all(p.kind is p.KEYWORD_ONLY for p in rest)

    def test_gives_a_plain_number_between_0_and_1(self, name):
        value = registry.build("metrics", name, LABELS, SCORES, **settings_of(name))
        assert type(value) is float
        assert 0 <= value <= 1

    def test_does_not_mind_the_order_of_the_rows(self, name):
        order = RNG.permutation(60)
        metric = registry.find("metrics", name)
        assert metric(LABELS[order], SCORES[order], **settings_of(name, order)) == pytest.approx(
            metric(LABELS, SCORES, **settings_of(name)), abs=1e-12
        )

    def test_takes_lists_and_does_not_change_its_input(self, name):
        labels, scores, settings = LABELS.copy(), SCORES.copy(), settings_of(name)
        metric = registry.find("metrics", name)
        assert metric(labels.tolist(), scores.tolist(), **settings) == metric(labels, scores, **settings)
        np.testing.assert_array_equal(labels, LABELS)
        np.testing.assert_array_equal(scores, SCORES)

    @pytest.mark.parametrize("case", BAD)
    def test_is_a_named_error_where_it_is_undefined(self, name, case):
        labels, scores, said = BAD[case]
        with pytest.raises(MetricError, match=said):
            registry.build("metrics", name, labels, scores, **settings_of(name))

    def test_has_an_interval_around_it(self, name):
        metric, settings = registry.find("metrics", name), settings_of(name)
        clusters = np.repeat(np.arange(20), 3)
        low, high = interval(metric, LABELS, SCORES, clusters=clusters, seed=0, rounds=50, **settings)
        assert 0 <= low <= high <= 1
