from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError
from facetrust.metrics import interval
from facetrust.metrics.apcer import apcer
from facetrust.metrics.auc import auc
from facetrust.metrics.bpcer import bpcer


def _people(count, each, seed=0, spread=0.0):
    """Rows of `count` subjects, half of them attacks; `spread` is how much subjects differ."""
    chance = np.random.default_rng(seed)
    subject = np.repeat(np.arange(count), each)
    labels = np.tile([0, 1], count * each // 2)
    scores = chance.normal(labels, 1.0) + spread * chance.normal(size=count)[subject]
    return labels, scores, subject


def test_is_the_same_for_a_seed_and_any_order_of_the_rows():
    labels, scores, subject = _people(20, 10)
    order = np.random.default_rng(3).permutation(len(labels))
    first = interval(auc, labels, scores, clusters=subject, seed=5)
    assert first == interval(auc, labels, scores, clusters=subject, seed=5)
    assert first == interval(auc, labels[order], scores[order], clusters=subject[order], seed=5)
    assert first != interval(auc, labels, scores, clusters=subject, seed=6)
    assert interval(auc, labels, scores) == interval(auc, labels[order], scores[order])


def test_agrees_with_the_binomial_where_rows_are_independent():
    # The share of 400 bona fide at or over a threshold, true rate 0.2: its standard error is 0.02.
    labels = np.repeat([0, 1], 400)
    scores = np.where(labels == 1, 2.0, np.arange(800) % 5 == 0)
    low, high = interval(bpcer, labels, scores, threshold=1.0, rounds=2000)
    assert (low, high) == pytest.approx((0.2 - 1.96 * 0.02, 0.2 + 1.96 * 0.02), abs=0.006)


def test_covers_the_true_value_about_as_often_as_it_says():
    # Two normal scores one standard deviation apart: AUC = Phi(1 / sqrt(2)) = 0.7602.
    hits = 0
    for seed in range(60):
        labels, scores, subject = _people(40, 4, seed)
        low, high = interval(auc, labels, scores, clusters=subject, rounds=200, level=0.9)
        hits += low <= 0.7602 <= high
    assert 47 <= hits <= 60


def test_is_wider_by_cluster_where_subjects_differ():
    # Attacks and bona fide of one subject each, so that subjects do not cancel out.
    chance = np.random.default_rng(1)
    subject = np.repeat(np.arange(20), 20)
    labels = np.repeat(np.arange(20) % 2, 20)
    scores = labels + 2 * chance.normal(size=20)[subject] + 0.1 * chance.normal(size=400)
    by_row, by_subject = interval(auc, labels, scores), interval(auc, labels, scores, clusters=subject)
    assert by_subject[1] - by_subject[0] > 2 * (by_row[1] - by_row[0])


def test_agrees_with_a_plain_loop():
    labels, scores, subject = _people(12, 6, spread=1.0)
    low, high = interval(auc, labels, scores, clusters=subject, rounds=3000)
    chance = np.random.default_rng(99)
    values = []
    for _ in range(3000):
        rows = []
        for pick in chance.integers(12, size=12):
            rows += [row for row, name in enumerate(subject) if name == pick]
        values.append(auc(labels[rows], scores[rows]))
    assert (low, high) == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.012)


def test_a_column_is_drawn_with_its_rows():
    labels, scores, subject = _people(10, 8)
    species = np.where(labels == 1, "print", "").astype(object)
    species[scores > 1.5] = "easy"

    def spy(labels, scores, *, species, threshold):
        assert len(species) == len(labels)
        assert all(name == "easy" for name in species[scores > 1.5])
        return apcer(labels, scores, threshold=threshold, species=species)

    arguments = {"clusters": subject, "threshold": 0.5, "rounds": 50}
    drawn = interval(spy, labels, scores, species=species, **arguments)
    assert drawn == interval(apcer, labels, scores, species=species.tolist(), **arguments)


def test_rows_without_a_cluster_stand_alone():
    labels, scores, _ = _people(10, 4)
    assert interval(auc, labels, scores, clusters=[None] * 40) == interval(auc, labels, scores)


def test_draws_without_both_classes_are_drawn_again():
    low, high = interval(auc, [0, 0, 1], [0.1, 0.2, 0.9], clusters=["a", "b", "c"])
    assert (low, high) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clusters": ["a"] * 4}, "at least two clusters"),
        ({"clusters": ["a"] * 3}, "3 clusters do not fit 4 rows"),
        ({"rounds": 0}, "rounds must be"),
        ({"level": 1.0}, "level in"),
    ],
)
def test_what_cannot_be_drawn_is_refused(settings, message):
    with pytest.raises(MetricError, match=message):
        interval(auc, [0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], **settings)


def test_a_pair_of_two_people_is_drawn_as_often_as_both():
    """The mean over draws of a pair's weight is its own: 1 for one person, 1 - 1/n for two."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(30, size=4000), rng.integers(30, size=4000)
    labels = (first == second).astype(int)
    found: list[float] = []

    def share_of_pairs_of_one(marks, scores):
        found.append(float(marks.sum()))
        return float(marks.mean())

    interval(
        share_of_pairs_of_one, labels, np.zeros(4000), clusters=first, others=second, rounds=2000, seed=1
    )
    assert np.mean(found) == pytest.approx(labels.sum(), rel=0.02)


def test_pairs_that_share_people_are_less_certain_than_pairs_alone():
    rng = np.random.default_rng(2)
    people = rng.normal(size=40)  # Some people are like everybody.
    first, second = rng.integers(40, size=3000), rng.integers(40, size=3000)
    labels = rng.integers(2, size=3000)
    scores = people[first] + people[second] + labels
    from facetrust.metrics.auc import auc

    alone = interval(auc, labels, scores, seed=0, rounds=200)
    shared = interval(auc, labels, scores, clusters=first, others=second, seed=0, rounds=200)
    assert shared[1] - shared[0] > 1.2 * (alone[1] - alone[0])
    order = rng.permutation(3000)
    again = interval(
        auc, labels[order], scores[order], clusters=first[order], others=second[order], seed=0, rounds=200
    )
    assert again == pytest.approx(shared)


def test_a_pair_of_people_without_a_name_stands_alone():
    labels, scores = np.array([0, 1] * 20), np.arange(40.0)
    nobody = [None] * 40
    low, high = interval(
        lambda marks, _: float(marks.mean()), labels, scores, clusters=nobody, others=nobody, rounds=200
    )
    assert low < 0.5 < high
    with pytest.raises(MetricError, match="one name"):
        interval(lambda marks, _: 0.0, labels, scores, clusters=nobody, others=nobody[1:])
    with pytest.raises(MetricError, match="all rows are of one"):
        interval(lambda marks, _: 0.0, labels, scores, clusters=["a"] * 40, others=["a"] * 40)
