"""Open-set identification: by hand, and against a slow search over every threshold."""

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics.dir_at_fpir import dir_at_fpir
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr

LABELS = [1, 1, 1, 1, 0, 0, 0, 0]
SCORES = [0.9, 0.8, 0.5, 0.3, 0.7, 0.4, 0.2, 0.1]
NAMED = [True, False, True, True, False, False, False, False]


@pytest.mark.parametrize(("fpir", "rate"), [(0, 0.25), (0.24, 0.25), (0.25, 0.5), (0.5, 0.75), (1, 0.75)])
def test_by_hand(fpir, rate):
    assert dir_at_fpir(LABELS, SCORES, fpir=fpir, named=NAMED) == rate


def test_where_all_are_named_rightly_it_is_the_rate_of_verification():
    rng = np.random.default_rng(1)
    labels = np.tile([1, 0], 100)
    scores = np.round(rng.normal(labels, 1), 1)
    for fpir in (0, 0.01, 0.07, 0.29, 1):
        assert dir_at_fpir(labels, scores, fpir=fpir) == pytest.approx(tpr_at_fpr(labels, scores, fpr=fpir))


@pytest.mark.parametrize("seed", range(5))
def test_against_a_slow_search(seed):
    rng = np.random.default_rng(seed)
    labels = np.tile([1, 0], 40)
    scores, named = np.round(rng.normal(labels, 1), 1), rng.random(80) < 0.7
    for fpir in (0, 0.03, 0.1, 0.5, 1):
        rates = [
            sum(y and n and s >= t for s, y, n in zip(scores, labels, named, strict=True)) / 40
            for t in [*scores, 99.0]
            if sum(not y and s >= t for s, y in zip(scores, labels, strict=True)) / 40 <= fpir
        ]
        assert dir_at_fpir(labels, scores, fpir=fpir, named=named) == pytest.approx(max(rates))


def test_what_cannot_be_used_is_named():
    with pytest.raises(MetricError, match="2 values of `named` do not fit 8 rows"):
        dir_at_fpir(LABELS, SCORES, named=[True, False])
    with pytest.raises(MetricError, match="fpir must be a share"):
        dir_at_fpir(LABELS, SCORES, fpir=2)
