from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from facetrust.metrics.eer import eer


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.1, 0.2, 0.8, 0.9], 0.0), ([0.9, 0.8, 0.2, 0.1], 1.0), ([0.5] * 4, 0.5), ([0.1, 0.6, 0.4, 0.9], 0.5)],
)
def test_closed_form(scores, expected):
    assert eer([0, 0, 1, 1], scores) == expected


def test_lies_between_operating_points_on_a_straight_line():
    # Points (APCER, BPCER): (0, 1), (0, 1/2), (1/3, 1/2), (2/3, 1/2), … : the line from the third to the
    # fourth crosses the diagonal at one half.
    assert eer([0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(0.5)


def _by_hand(labels, scores):
    attacks = [s for label, s in zip(labels, scores, strict=True) if label == 1]
    bona_fide = [s for label, s in zip(labels, scores, strict=True) if label == 0]
    points = []
    for threshold in [*sorted(set(scores)), float("inf")]:
        missed = Fraction(sum(s < threshold for s in attacks), len(attacks))
        stopped = Fraction(sum(s >= threshold for s in bona_fide), len(bona_fide))
        points.append((missed, stopped))
    for (a, b), (c, d) in pairwise(points):
        if a <= b and c >= d:
            return a + (c - a) * (b - a) / ((b - a) + (c - d))
    raise AssertionError("the curve must cross the diagonal")


def test_agrees_with_exact_fractions(crowd):
    labels, scores, _ = crowd
    assert eer(labels, scores) == pytest.approx(float(_by_hand(labels.tolist(), scores.tolist())), abs=1e-12)
