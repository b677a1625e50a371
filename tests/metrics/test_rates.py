"""The error rates at a threshold: APCER, BPCER, ACER and HTER."""

from __future__ import annotations

import pytest

from facetrust.errors import MetricError
from facetrust.metrics.acer import acer
from facetrust.metrics.apcer import apcer, apcer_by_species
from facetrust.metrics.bpcer import bpcer
from facetrust.metrics.hter import hter

LABELS = [0, 0, 0, 0, 1, 1, 1, 1]
SCORES = [0.1, 0.2, 0.5, 0.9, 0.4, 0.5, 0.6, 0.3]
SPECIES = [None, None, None, None, "print", "print", "print", "replay"]


@pytest.mark.parametrize(
    ("threshold", "by_species", "stopped"),
    [
        (0.0, {"print": 0.0, "replay": 0.0}, 1.0),
        (0.5, {"print": 1 / 3, "replay": 1.0}, 0.5),
        (0.35, {"print": 0.0, "replay": 1.0}, 0.5),
        (1.0, {"print": 1.0, "replay": 1.0}, 0.0),
    ],
)
def test_closed_form(threshold, by_species, stopped):
    worst, pooled = max(by_species.values()), (3 * by_species["print"] + by_species["replay"]) / 4
    assert apcer_by_species(LABELS, SCORES, threshold=threshold, species=SPECIES) == by_species
    assert apcer(LABELS, SCORES, threshold=threshold, species=SPECIES) == worst
    assert apcer(LABELS, SCORES, threshold=threshold) == pytest.approx(pooled)
    assert bpcer(LABELS, SCORES, threshold=threshold) == stopped
    assert acer(LABELS, SCORES, threshold=threshold, species=SPECIES) == pytest.approx((worst + stopped) / 2)
    assert hter(LABELS, SCORES, threshold=threshold) == pytest.approx((pooled + stopped) / 2)


def test_a_score_at_the_threshold_is_an_attack():
    assert apcer([0, 1], [0.4, 0.5], threshold=0.5) == 0
    assert bpcer([0, 1], [0.5, 0.6], threshold=0.5) == 1


def test_an_attack_without_a_species_is_unnamed():
    found = apcer_by_species([0, 1, 1], [0, 0, 1], threshold=0.5, species=["live", None, "print"])
    assert found == {"print": 0.0, "unnamed": 1.0}


def _by_hand(labels, scores, species, threshold):
    missed, seen, stopped = {}, {}, []
    for label, score, name in zip(labels, scores, species, strict=True):
        if label == 0:
            stopped.append(not score < threshold)
        else:
            seen[name] = seen.get(name, 0) + 1
            missed[name] = missed.get(name, 0) + (score < threshold)
    return {name: missed[name] / seen[name] for name in seen}, sum(stopped) / len(stopped)


def test_agrees_with_loops(crowd):
    labels, scores, species = crowd
    for threshold in {*scores, 0.123, 2.0}:
        rates, stopped = _by_hand(labels, scores, species, threshold)
        assert apcer_by_species(labels, scores, threshold=threshold, species=species) == rates
        assert acer(labels, scores, threshold=threshold, species=species) == pytest.approx(
            (max(rates.values()) + stopped) / 2
        )
        _, pooled_stopped = _by_hand(labels, scores, ["all"] * len(labels), threshold)
        pooled, _ = _by_hand(labels, scores, ["all"] * len(labels), threshold)
        assert hter(labels, scores, threshold=threshold) == pytest.approx(
            (pooled["all"] + pooled_stopped) / 2
        )


@pytest.mark.parametrize("metric", [apcer, bpcer, acer, hter])
def test_a_threshold_that_is_no_number_is_refused(metric):
    with pytest.raises(MetricError, match="threshold is NaN"):
        metric([0, 1], [0, 1], threshold=float("nan"))


def test_species_must_fit_the_rows():
    with pytest.raises(MetricError, match="2 species do not fit 3 rows"):
        apcer([0, 1, 1], [0, 0, 1], threshold=0.5, species=["print", "replay"])
