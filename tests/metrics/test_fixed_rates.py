"""Rates at another rate: TPR at a fixed FPR and BPCER at a fixed APCER."""

from __future__ import annotations

import pytest

from facetrust.errors import MetricError
from facetrust.metrics import highest_threshold, operating_points
from facetrust.metrics.bpcer_at_apcer import bpcer_at_apcer
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr

LABELS = [0, 0, 0, 0, 1, 1, 1, 1]
SCORES = [0.1, 0.2, 0.5, 0.7, 0.4, 0.6, 0.8, 0.9]


@pytest.mark.parametrize(
    ("fpr", "attack", "live"),
    [(0.0, 0.5, 0.5), (0.25, 0.75, 0.75), (0.24, 0.5, 0.5), (0.5, 1.0, 1.0), (1, 1, 1)],
)
def test_tpr_closed_form(fpr, attack, live):
    assert tpr_at_fpr(LABELS, SCORES, fpr=fpr) == attack
    assert tpr_at_fpr(LABELS, SCORES, fpr=fpr, positive="live") == live


def test_the_two_directions_are_different_figures():
    labels, scores = [0, 0, 1, 1, 1], [0.1, 0.6, 0.5, 0.7, 0.8]
    assert tpr_at_fpr(labels, scores) == pytest.approx(2 / 3)
    assert tpr_at_fpr(labels, scores, positive="live") == 0.5


@pytest.mark.parametrize(
    ("level", "expected"), [(0.0, 0.5), (0.25, 0.25), (0.3, 0.25), (0.5, 0.0), (1.0, 0.0)]
)
def test_bpcer_closed_form(level, expected):
    assert bpcer_at_apcer(LABELS, SCORES, apcer=level) == expected


def test_the_worst_species_decides():
    species = [None] * 4 + ["print", "print", "replay", "replay"]
    assert bpcer_at_apcer(LABELS, SCORES, apcer=0.25) == 0.25
    assert bpcer_at_apcer(LABELS, SCORES, apcer=0.25, species=species) == 0.5


def _thresholds(scores):
    return [*sorted(set(scores)), float("inf")]


@pytest.mark.parametrize("level", [0.0, 0.01, 0.1, 0.29, 0.5, 1.0])
def test_agree_with_loops(crowd, level):
    labels, scores, species = crowd
    best_tpr = best_live = 0.0
    lowest = 1.0
    for threshold in _thresholds(scores):
        attacks = [s >= threshold for label, s in zip(labels, scores, strict=True) if label == 1]
        bona_fide = [s >= threshold for label, s in zip(labels, scores, strict=True) if label == 0]
        found, stopped = sum(attacks) / len(attacks), sum(bona_fide) / len(bona_fide)
        if stopped <= level:
            best_tpr = max(best_tpr, found)
        if (len(attacks) - sum(attacks)) / len(attacks) <= level:
            best_live = max(best_live, 1 - stopped)
        worst = 0.0
        for name in set(species) - {None}:
            own = [s < threshold for kind, s in zip(species, scores, strict=True) if kind == name]
            worst = max(worst, sum(own) / len(own))
        if worst <= level:
            lowest = min(lowest, stopped)
    assert tpr_at_fpr(labels, scores, fpr=level) == pytest.approx(best_tpr, abs=1e-12)
    assert tpr_at_fpr(labels, scores, fpr=level, positive="live") == pytest.approx(best_live, abs=1e-12)
    assert bpcer_at_apcer(labels, scores, apcer=level, species=species) == pytest.approx(lowest, abs=1e-12)
    assert 1 - bpcer_at_apcer(labels, scores, apcer=level) == pytest.approx(best_live, abs=1e-12)


@pytest.mark.parametrize("count", range(101))
def test_a_rate_exactly_at_the_limit_is_admitted(count):
    labels = [0] * 100 + [1] * 100
    scores = [2.0] * count + [0.0] * (100 - count) + [1.0] * 100
    assert tpr_at_fpr(labels, scores, fpr=count / 100) == 1
    flipped = [1 - label for label in labels]
    assert tpr_at_fpr(flipped, [-s for s in scores], fpr=count / 100, positive="live") == 1
    assert highest_threshold(flipped, [-s for s in scores], apcer=count / 100) >= 0


def test_operating_points_run_from_corner_to_corner(crowd):
    labels, scores, _ = crowd
    thresholds, apcer, bpcer = operating_points(labels, scores)
    assert len(thresholds) == len(set(scores)) + 1
    assert (apcer[0], bpcer[0], apcer[-1], bpcer[-1]) == (0, 1, 1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tpr_at_fpr([0, 1], [0, 1], fpr=2), "fpr must be a share"),
        (lambda: tpr_at_fpr([0, 1], [0, 1], positive="spoof"), "positive must be"),
        (lambda: bpcer_at_apcer([0, 1], [0, 1], apcer=-0.1), "apcer must be a share"),
    ],
)
def test_a_wrong_setting_is_refused(call, message):
    with pytest.raises(MetricError, match=message):
        call()
