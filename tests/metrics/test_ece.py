from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics.ece import ece


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0], 0.0),
        ([0, 0, 1, 1], [1.0, 1.0, 0.0, 0.0], 1.0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.0),
        ([0, 1, 1, 1], [0.5, 0.5, 0.5, 0.5], 0.25),
    ],
)
def test_closed_form(labels, scores, expected):
    assert ece(labels, scores) == pytest.approx(expected)


def test_balanced_counts_each_label_one_half():
    labels, scores = [0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25]
    assert ece(labels, scores) == 0
    assert ece(labels, scores, balanced=True) == pytest.approx(0.25)
    assert ece([0, 1], [0.2, 0.9], balanced=True) == pytest.approx(ece([0, 1], [0.2, 0.9]))


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_agrees_with_loops(crowd, bins):
    labels, scores, _ = crowd
    total = 0.0
    for part in range(bins):
        rows = [
            (label, score)
            for label, score in zip(labels, scores, strict=True)
            if part <= score * bins < part + 1 or (part == bins - 1 and score == 1)
        ]
        if rows:
            confidence = sum(score for _, score in rows) / len(rows)
            share = sum(label for label, _ in rows) / len(rows)
            total += len(rows) / len(labels) * abs(confidence - share)
    assert ece(labels, scores, bins=bins) == pytest.approx(total, abs=1e-12)


def test_there_are_fifteen_bins_unless_told_otherwise():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 400), rng.random(400)
    found = {bins: ece(labels, scores, bins=bins) for bins in range(10, 21)}
    assert ece(labels, scores) == found.pop(15)
    assert ece(labels, scores) not in found.values()


@pytest.mark.parametrize("bins", [4, 15, 100])
def test_an_edge_belongs_to_the_part_above_it(bins):
    """A bona fide row on the edge beside an attack just above it share a part; one just below is alone."""
    for edge in range(1, bins):
        score, above = edge / bins, (edge + 0.5) / bins
        assert ece([0, 1], [score, above], bins=bins) == pytest.approx(abs((score + above) / 2 - 0.5))
        below = np.nextafter(score, 0)
        assert ece([0, 1], [below, above], bins=bins) == pytest.approx((below + 1 - above) / 2)


@pytest.mark.parametrize("score", [-0.01, 1.01])
def test_scores_must_be_probabilities(score):
    with pytest.raises(MetricError, match="no probabilities"):
        ece([0, 1], [0.5, score])


def test_bins_must_be_positive():
    with pytest.raises(MetricError, match="bins"):
        ece([0, 1], [0, 1], bins=0)
