from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from facetrust.errors import MetricError, ProtocolError
from facetrust.protocols import CHOSEN, as_published
from facetrust.records import Scores


def slow(scores):
    """The published evaluation, step by step: live is 1, P(live) a video, a grid, loops."""
    videos = {}
    for row in scores.rows.iter_rows(named=True):
        videos.setdefault((row["media"] or row["sample"], row["label"], row["attack"]), []).append(
            row["score"]
        )
    live = [1 - label for _, label, _ in videos]
    chance = [1 - sum(values) / len(values) for values in videos.values()]

    def rates(threshold):
        false_accepts = false_rejects = 0
        for label, value in zip(live, chance, strict=True):
            accepted = value >= threshold
            false_accepts += accepted and not label
            false_rejects += label and not accepted
        return false_accepts / live.count(0), false_rejects / live.count(1)

    smallest, best = 1.0, None
    for threshold in [step * 1.0 / 10000 for step in range(10001)] + [1.1]:
        far, frr = rates(threshold)
        if abs(frr - far) <= smallest:
            smallest, best = abs(frr - far), (threshold, far, frr)
    threshold, far, frr = best
    pairs = [
        (a, b)
        for a, x in zip(chance, live, strict=True)
        if x
        for b, y in zip(chance, live, strict=True)
        if not y
    ]
    area = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    points = [rates(value) for value in [np.inf, *sorted(set(chance), reverse=True)]]
    within = [1 - missed for accepted, missed in points if accepted <= 0.01]
    return threshold, {
        "hter": (far + frr) / 2, "auc": area, "tpr@fpr=1% (live)": within[-1] if within else 0,
        "far": far, "frr": frr,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("steps", [8, 2**40])
def test_agrees_with_the_evaluation_done_by_loops(make_scores, seed, steps):
    scores = make_scores(seed=seed, rows=40, shift=0.7)
    # Eighths make many ties, and binary fractions keep them when they are turned round and averaged.
    rounded = scores.rows.with_columns((scores.rows["score"] * steps).round() / steps)
    scores = Scores(rounded, scores.made_by)
    threshold, figures = slow(scores)
    said = as_published(scores)
    assert said.threshold == threshold
    assert {figure.metric: figure.value for figure in said.figures} == pytest.approx(figures, abs=1e-12)
    assert (said.unit, said.bona_fide + said.attacks) == ("medium", 20)


@pytest.mark.parametrize("steps", [10, 20, 40, 100])
@pytest.mark.parametrize("seed", range(4))
def test_coarse_decimal_scores_reach_the_thresholds_that_they_equal(make_scores, seed, steps):
    """Against exact fractions: 1 - 0.9 is a hair below 0.1 as a float, the mean of 0.1 and 0.2 above 0.15."""
    scores = make_scores(seed=seed, rows=60, shift=0.7)
    tenths = (scores.rows["score"] * steps).round().cast(int)
    scores = Scores(scores.rows.with_columns(tenths / steps), scores.made_by)
    live, exact = {}, {}
    for number, row in zip(tenths, scores.rows.iter_rows(named=True), strict=True):
        name = (row["media"] or row["sample"], row["label"], row["attack"])
        exact.setdefault(name, []).append(1 - Fraction(number, steps))
        live[name] = not row["label"]
    chances = {name: sum(values) / len(values) for name, values in exact.items()}
    best, smallest = None, 1
    for threshold in [*(Fraction(step, 10_000) for step in range(10_001)), Fraction(11, 10)]:
        accepted = [name for name, chance in chances.items() if chance >= threshold]
        far = Fraction(sum(not live[name] for name in accepted), sum(not each for each in live.values()))
        frr = 1 - Fraction(sum(live[name] for name in accepted), sum(live.values()))
        if abs(frr - far) <= smallest:
            smallest, best = abs(frr - far), (threshold, far, frr)
    said = as_published(scores)
    assert said.threshold == pytest.approx(float(best[0]), abs=1e-12)
    pairs = [(a, b) for x, a in chances.items() if live[x] for y, b in chances.items() if not live[y]]
    area = sum((a > b) + Fraction(a == b, 2) for a, b in pairs) / len(pairs)
    assert said.figure("auc").value == pytest.approx(float(area), abs=1e-12)
    assert (said.figure("far").value, said.figure("frr").value) == pytest.approx([float(x) for x in best[1:]])


def test_figures_of_hand_made_scores(make_scores):
    # P(live) of bona fide 0.9, 0.6, 0.8, 0.3; of attacks 0.1, 0.2, 0.4, 0.5.
    labels, live = [0, 0, 0, 0, 1, 1, 1, 1], [0.9, 0.6, 0.8, 0.3, 0.1, 0.2, 0.4, 0.5]
    columns = {
        "label": labels,
        "score": [1 - value for value in live],
        "media": [None] * 8,
        "attack": [None] * 8,
    }
    said = as_published(make_scores(rows=8, columns=columns))
    # One of four wrong on either side for thresholds over 0.4 up to 0.5: the last of the grid is 0.5.
    assert said.threshold == 0.5
    assert (said.unit, said.bona_fide, said.attacks) == ("row", 4, 4)
    assert [said.figure(name).value for name in ("hter", "far", "frr")] == [0.25, 0.25, 0.25]
    assert said.figure("auc").value == 14 / 16
    assert said.figure("tpr@fpr=1% (live)").value == 0.75
    assert said.figure("acer").value is None


def test_it_says_that_it_was_chosen_on_test(make_scores):
    said = as_published(make_scores())
    assert said.chosen == CHOSEN
    assert "chosen on test" in said.chosen
    assert "comparison with published rows only" in said.chosen


def test_a_perfect_model_takes_the_highest_threshold_that_stays_perfect(make_scores):
    labels = np.arange(120) // 2 % 2
    said = as_published(make_scores(columns={"score": np.where(labels, 0.9, 0.25)}))
    assert (said.threshold, said.figure("hter").value) == (0.75, 0.0)


def epochs_of(make_scores, shifts):
    return [make_scores(shift=shift, version=f"1+{at}", rows=240) for at, shift in enumerate(shifts)]


def test_the_checkpoint_with_the_lowest_error_on_test_is_taken(make_scores):
    scores = epochs_of(make_scores, [0.2, 2.0, 0.8])
    said = as_published(scores[0], epochs=scores[1:])
    assert (said.checkpoint, said.checkpoints) == ("1+1", 3)
    alone = as_published(scores[1])
    assert said == alone.model_copy(update={"checkpoints": 3})
    assert said.figure("hter").value < as_published(scores[0]).figure("hter").value


def test_of_equal_checkpoints_the_last_is_taken_and_the_reported_one_is_last(make_scores):
    scores = epochs_of(make_scores, [1.0, 1.0, 1.0])
    assert as_published(scores[0], epochs=scores[1:]).checkpoint == "1+0"
    worse = epochs_of(make_scores, [0.1])[0]
    assert as_published(worse, epochs=scores[1:]).checkpoint == "1+2"


@pytest.mark.parametrize(
    "made_by", [{"model": "other"}, {"seed": 4}, {"manifest": "beef"}, {"split": "dev"}, {"task": "deepfake"}]
)
def test_checkpoints_must_be_of_one_run_on_one_test_set(make_scores, made_by):
    other = make_scores()
    other = Scores(other.rows, other.made_by.model_copy(update=made_by))
    with pytest.raises(ProtocolError, match=f"differ in {next(iter(made_by))}"):
        as_published(make_scores(), epochs=[other])


def test_checkpoints_must_hold_the_same_rows(make_scores):
    with pytest.raises(ProtocolError, match="the 60 rows of checkpoint 1 of tiny are not the 120"):
        as_published(make_scores(), epochs=[make_scores(rows=60)])


def test_what_cannot_be_measured_is_said(make_scores):
    with pytest.raises(MetricError, match="test scores of tiny: all 60 rows are of one class"):
        as_published(make_scores(columns={"label": [1] * 120, "attack": ["print"] * 120}))
    with pytest.raises(MetricError, match="no probabilities"):
        as_published(make_scores(columns={"score": np.linspace(-3, 3, 120)}))
