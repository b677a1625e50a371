from __future__ import annotations

import pytest

from facetrust.metrics.auc import auc


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], 1.0),
        ([0.9, 0.8, 0.2, 0.1], 0.0),
        ([0.5] * 4, 0.5),
        ([0.1, 0.5, 0.5, 0.9], 0.875),
    ],
)
def test_closed_form(scores, expected):
    assert auc([0, 0, 1, 1], scores) == expected


def test_is_the_share_of_pairs_in_order(crowd):
    labels, scores, _ = crowd
    won = pairs = 0.0
    for label, score in zip(labels, scores, strict=True):
        for other, rival in zip(labels, scores, strict=True):
            if label == 1 and other == 0:
                pairs += 1
                won += 1.0 if score > rival else 0.5 if score == rival else 0.0
    assert auc(labels, scores) == pytest.approx(won / pairs, abs=1e-15)


def test_agrees_with_scikit_learn(crowd):
    metrics = pytest.importorskip("sklearn.metrics")
    labels, scores, _ = crowd
    assert auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
