"""Metrics of class masks by hand, and against a count of pixels one by one."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics import interval_of_counts
from facetrust.metrics.class_f1 import class_f1
from facetrust.metrics.mean_f1 import mean_f1
from facetrust.metrics.mean_iou import mean_iou

# Row: true class. Class 1: 6 hits, 2 missed, 1 false. Class 2: 3 hits, 1 missed, 4 false.
COUNTS = np.array([[10, 1, 2], [0, 6, 2], [1, 0, 3]])


def counted(truth: np.ndarray, answer: np.ndarray, classes: int) -> np.ndarray:
    matrix = np.zeros((classes, classes), np.int64)
    for t, a in zip(truth.ravel(), answer.ravel(), strict=True):
        matrix[t, a] += 1
    return matrix


def test_by_hand():
    assert class_f1(COUNTS, index=1) == pytest.approx(12 / (12 + 2 + 1))
    assert class_f1(COUNTS, index=2) == pytest.approx(6 / (6 + 1 + 4))
    assert class_f1(COUNTS, index=0) == pytest.approx(20 / (20 + 3 + 1))
    assert mean_f1(COUNTS) == pytest.approx((12 / 15 + 6 / 11) / 2)
    assert mean_iou(COUNTS) == pytest.approx((6 / 9 + 3 / 8) / 2)


def test_the_mean_is_of_one_matrix_and_not_of_pictures():
    rng = np.random.default_rng(0)
    truth, answer = rng.integers(0, 4, (2, 5, 8, 8))
    answer[0] = truth[0]
    whole = counted(truth, answer, 4)
    f1 = []
    for c in range(1, 4):
        hits = ((truth == c) & (answer == c)).sum()
        f1.append(2 * hits / ((truth == c).sum() + (answer == c).sum()))
    assert mean_f1(whole) == pytest.approx(np.mean(f1))
    each = [mean_f1(counted(t, a, 4)) for t, a in zip(truth, answer, strict=True)]
    assert mean_f1(whole) != pytest.approx(np.mean(each), abs=1e-3)


def test_a_class_that_is_nowhere_is_left_out_and_one_that_is_only_answered_counts_as_zero():
    nowhere = np.array([[5, 0, 0], [0, 4, 0], [0, 0, 0]])
    assert mean_f1(nowhere) == 1
    with pytest.raises(MetricError, match="class 2 occurs neither"):
        class_f1(nowhere, index=2)
    answered = np.array([[5, 0, 1], [0, 4, 0], [0, 0, 0]])
    assert class_f1(answered, index=2) == 0
    assert mean_f1(answered) == 0.5
    with pytest.raises(MetricError, match="no pixel is of any class but the first"):
        mean_f1([[5, 0], [0, 0]])
    with pytest.raises(MetricError, match="class 7: there are 3"):
        class_f1(COUNTS, index=7)


def test_an_interval_draws_pictures():
    """Of two pictures, one all right and one all wrong, half of the draws hold one of each."""
    right, wrong = np.array([[2, 0], [0, 4]]), np.array([[2, 0], [4, 0]])
    low, high = interval_of_counts(mean_f1, [right, wrong], rounds=400)
    assert (low, high) == (0, 1)
    low, high = interval_of_counts(mean_f1, [right, wrong], rounds=400, level=0.4)
    assert low == high == pytest.approx(8 / 12)
    assert interval_of_counts(mean_f1, [right] * 5, rounds=20) == (1, 1)


def test_draws_in_which_nothing_is_defined_are_left_out():
    empty, full = np.array([[9, 0], [0, 0]]), np.array([[9, 0], [0, 3]])
    assert interval_of_counts(mean_f1, [empty, full], rounds=100) == (1, 1)
    with pytest.raises(MetricError, match="most draws hold nothing"):
        interval_of_counts(mean_f1, [empty, empty], rounds=100)
    with pytest.raises(MetricError, match="at least two pictures"):
        interval_of_counts(mean_f1, [full])
    with pytest.raises(MetricError, match="rounds"):
        interval_of_counts(mean_f1, [full, full], rounds=0)
