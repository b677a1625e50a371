"""Every metric: free of the rows' order, a plain number, and a named error where it is undefined."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest

from facetrust import registry
from facetrust.errors import MetricError
from facetrust.metrics import interval, interval_of_counts


def takes(name: str) -> str:
    """What a metric is of: labels and scores, counts of class masks, or two masks (tested by hand)."""
    return next(iter(inspect.signature(registry.find("metrics", name)).parameters))


EVERY = registry.names("metrics")
NAMES = [name for name in EVERY if takes(name) == "labels"]
OF_COUNTS = [name for name in EVERY if takes(name) == "counts"]
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
    assert {"class-f1", "mean-f1", "mean-iou"} <= set(OF_COUNTS)
    assert {*NAMES, *OF_COUNTS, "boundary-f1"} == set(EVERY)


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


COUNTS = np.array([[50, 2, 1], [3, 20, 4], [0, 5, 15]])
BAD_COUNTS = {
    "not square": (COUNTS[:2], "square"),
    "one class": ([[1]], "at least two classes"),
    "negative": (-COUNTS, "not negative"),
    "NaN": (COUNTS * np.nan, "finite"),
    "text": ([["a", "b"], ["c", "d"]], "must be numbers"),
    "a list": ([1, 2], "square"),
}


@pytest.mark.parametrize("name", OF_COUNTS)
class TestEveryMetricOfCounts:
    def settings(self, name: str) -> dict[str, int]:
        return {"index": 1} if name == "class-f1" else {}

    def test_says_what_it_returns_and_where_it_comes_from(self, name):
        text = registry.find("metrics", name).__doc__ or ""
        assert text.startswith("Returns")
        assert "MetricError" in text
        assert "Source:" in text

    def test_is_a_plain_number_between_0_and_1_and_1_where_all_is_right(self, name):
        metric = registry.find("metrics", name)
        value = metric(COUNTS.tolist(), **self.settings(name))
        assert type(value) is float
        assert 0 < value < 1
        assert metric(np.diag([7, 5, 2]), **self.settings(name)) == 1

    def test_does_not_mind_how_many_pixels_there_are(self, name):
        metric = registry.find("metrics", name)
        assert metric(COUNTS * 10**9, **self.settings(name)) == pytest.approx(
            metric(COUNTS, **self.settings(name)), abs=1e-12
        )

    @pytest.mark.parametrize("case", BAD_COUNTS)
    def test_is_a_named_error_where_counts_are_none(self, name, case):
        counts, said = BAD_COUNTS[case]
        with pytest.raises(MetricError, match=said):
            registry.build("metrics", name, counts, **self.settings(name))

    def test_has_an_interval_around_it(self, name):
        metric = partial(registry.find("metrics", name), **self.settings(name))
        each = np.stack([COUNTS, COUNTS.T, np.diag([9, 3, 4]), COUNTS[::-1]])
        low, high = interval_of_counts(metric, each, seed=0, rounds=50)
        assert 0 <= low <= metric(each.sum(0)) <= high <= 1
