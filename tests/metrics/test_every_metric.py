"""What holds for every metric: order does not matter, and bad rows are errors that name the problem."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from facetrust import registry
from facetrust.errors import MetricError

SETTINGS = {name: {"threshold": 0.4} for name in ("acer", "apcer", "bpcer", "hter")}
NAMES = [
    name
    for name in registry.names("metrics")
    if name != "fold-accuracy"  # Whose folds go with the rows.
    and next(iter(inspect.signature(registry.find("metrics", name)).parameters)) == "labels"
]


def test_all_metrics_are_found():
    assert len(NAMES) >= 9


@pytest.fixture(params=NAMES)
def metric(request):
    found, settings = registry.find("metrics", request.param), SETTINGS.get(request.param, {})
    return lambda labels, scores: found(labels, scores, **settings)


def test_order_does_not_matter(metric, crowd):
    labels, scores, _ = crowd
    order = np.random.default_rng(7).permutation(len(labels))
    assert metric(labels, scores) == metric(labels[order], scores[order])


def test_is_a_float_in_0_1(metric, crowd):
    labels, scores, _ = crowd
    value = metric(labels.tolist(), scores.astype(np.float32))
    assert type(value) is float
    assert 0 <= value <= 1


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([], [], "no rows"),
        ([0, 1], [0.5], "2 labels do not fit 1 scores"),
        ([0, 1], [0.5, float("nan")], "1 of 2 scores are NaN"),
        ([0, 1], [0.5, float("inf")], "NaN or infinite"),
        ([1, 1], [0.5, 0.6], "all 2 rows are of one class"),
        ([0, 0, 0], [0.5, 0.6, 0.1], "all 3 rows are of one class"),
        ([0, 2], [0.5, 0.6], "labels must be 0"),
        ([0, float("nan")], [0.5, 0.6], "labels must be 0"),
        ([[0, 1]], [[0.5, 0.6]], "flat lists"),
        ([0, 1], ["low", "high"], "scores must be numbers"),
    ],
)
def test_bad_rows_are_named(metric, labels, scores, message):
    with pytest.raises(MetricError, match=message):
        metric(labels, scores)
