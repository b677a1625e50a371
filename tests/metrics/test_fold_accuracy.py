"""Accuracy over folds: by hand, and against a slow search over every threshold."""

from itertools import pairwise

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics.fold_accuracy import accuracies_by_fold, fold_accuracy


def slow(labels, scores, folds):
    """Every value halfway between two neighbours is tried on the other folds; the middle best is taken."""
    found = []
    for fold in sorted(set(folds)):
        rest = [(s, y) for s, y, f in zip(scores, labels, folds, strict=True) if f != fold]
        values = sorted({s for s, _ in rest})
        tried = [
            values[0],
            *((a + b) / 2 for a, b in pairwise(values)),
            np.nextafter(values[-1], 9),
        ]
        right = [sum((s >= t) == bool(y) for s, y in rest) for t in tried]
        best = [t for t, count in zip(tried, right, strict=True) if count == max(right)]
        chosen = best[(len(best) - 1) // 2]
        mine = [(s, y) for s, y, f in zip(scores, labels, folds, strict=True) if f == fold]
        found.append(sum((s >= chosen) == bool(y) for s, y in mine) / len(mine))
    return found


def test_by_hand():
    labels, folds = [1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 1, 1, 2, 2, 2, 2]
    scores = [0.9, 0.5, 0.4, 0.1, 0.8, 0.7, 0.6, 0.2]
    # Fold 2 says 0.65: of fold 1 the pair at 0.5 is missed. Fold 1 says 0.45: that at 0.6 is accepted.
    assert accuracies_by_fold(labels, scores, folds=folds).tolist() == [0.75, 0.75]
    assert fold_accuracy(labels, scores, folds=folds) == 0.75


def test_nothing_to_tell_is_chance_and_all_apart_is_one():
    labels, folds = np.array([1, 0] * 20), np.arange(40) // 4
    assert fold_accuracy(labels, np.zeros(40), folds=folds) == 0.5
    assert fold_accuracy(labels, labels * 0.3, folds=folds) == 1
    assert fold_accuracy(labels, -labels, folds=folds) == 0.5


@pytest.mark.parametrize("seed", range(8))
def test_against_a_slow_search(seed):
    rng = np.random.default_rng(seed)
    labels = np.tile([1, 0], 60)
    scores = np.round(rng.normal(labels * 0.8, 1), 1 if seed % 2 else 6)
    folds = rng.integers(1, 8, 120)
    assert accuracies_by_fold(labels, scores, folds=folds) == pytest.approx(slow(labels, scores, folds))


def test_the_fold_itself_does_not_choose():
    """A fold whose scores are shifted is decided badly, however well it could be told apart."""
    labels, folds = np.array([1, 0] * 20), np.arange(40) // 20
    scores = np.where(labels == 1, 0.8, 0.2) + np.where(folds == 1, 5, 0)
    assert accuracies_by_fold(labels, scores, folds=folds).tolist() == [0.5, 0.5]


def test_folds_that_cannot_be_used_are_named():
    with pytest.raises(MetricError, match="3 folds do not fit 4 rows"):
        fold_accuracy([1, 0, 1, 0], [1, 2, 3, 4], folds=[1, 2, 3])
    with pytest.raises(MetricError, match="all rows are of one fold"):
        fold_accuracy([1, 0, 1, 0], [1, 2, 3, 4], folds=[1] * 4)
    with pytest.raises(MetricError, match="the other folds are of one class"):
        fold_accuracy([1, 0, 1, 1], [1, 2, 3, 4], folds=[1, 1, 2, 2])
