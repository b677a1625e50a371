from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from facetrust.errors import MetricError, ProtocolError, UsageError
from facetrust.metrics.auc import auc
from facetrust.protocols import by_media
from facetrust.protocols.dev_threshold import dev_threshold
from facetrust.records import Scores

METRICS = [
    "auc",
    "eer",
    "hter",
    "apcer",
    "bpcer",
    "acer",
    "tpr@fpr=1%",
    "bpcer@apcer=1%",
    "bpcer@apcer=5%",
    "ece",
]


def test_figures_of_hand_made_scores(make_scores):
    dev = make_scores("dev", rows=4, columns={"score": [0.1, 0.3, 0.5, 0.9], "media": [None] * 4})
    test = make_scores(
        rows=8, columns={"score": [0.1, 0.45, 0.2, 0.3, 0.6, 0.1, 0.5, 0.7], "media": [None] * 8}
    )
    (level,) = dev_threshold(test, dev, rounds=20).levels
    assert level.threshold.model_dump() == {
        "value": pytest.approx(0.4),
        "rule": "eer",
        "manifest": "feed",
        "split": "dev",
    }
    assert [figure.metric for figure in level.figures] == METRICS
    # Bona fide 0.1, 0.45, 0.6, 0.1; prints 0.2, 0.3 (both missed); replays 0.5, 0.7.
    values = {name: level.figure(name).value for name in ("apcer", "bpcer", "acer", "hter")}
    assert values == {"apcer": 1.0, "bpcer": 0.5, "acer": 0.75, "hter": 0.5}
    assert level.figure("auc").value == auc(test.labels, test.scores)
    assert [(each.species, each.rows, each.apcer.value) for each in level.species] == [
        ("print", 2, 1.0),
        ("replay", 2, 0.0),
    ]
    assert [each.auc.value for each in level.species] == [0.5, 0.875]
    assert (level.unit, level.bona_fide, level.attacks) == ("row", 4, 4)


def test_every_figure_has_an_interval_around_it(make_scores):
    judgement = dev_threshold(make_scores(), make_scores("dev", seed=1), rounds=100)
    for level in judgement.levels:
        for figure in (*level.figures, *(each.auc for each in level.species)):
            assert figure.low <= figure.high
        assert level.figure("auc").low < level.figure("auc").value < level.figure("auc").high
    assert judgement.levels[0].clustered_by == "subject"
    assert judgement.levels[0].clusters == 20


def test_media_have_their_own_level_and_threshold(make_scores):
    test, dev = make_scores(), make_scores("dev", seed=1)
    rows, media = dev_threshold(test, dev, rounds=10).levels
    assert (rows.unit, media.unit, media.bona_fide + media.attacks) == ("row", "medium", 60)
    assert media.figure("auc").value == auc(by_media(test).labels, by_media(test).scores)
    assert media.threshold.value != rows.threshold.value


def test_is_the_same_again_and_in_any_order(make_scores):
    test, dev = make_scores(), make_scores("dev", seed=1)
    order = np.random.default_rng(0).permutation(len(test))
    shuffled = Scores(test.rows[order.tolist()], test.made_by)
    first = dev_threshold(test, dev, rounds=30)
    assert dev_threshold(test, dev, rounds=30) == first
    assert dev_threshold(shuffled, dev, rounds=30).levels[0] == first.levels[0]
    assert dev_threshold(test, dev, rounds=30, seed=1) != first


def test_scores_that_are_no_probabilities_have_no_calibration_error(make_scores):
    test, dev = make_scores(), make_scores("dev", seed=1)
    wide = [Scores(each.rows.with_columns(pl.col("score") * 300), each.made_by) for each in (test, dev)]
    level = dev_threshold(*wide, rounds=10).levels[0]
    assert level.figure("ece").value is None
    assert level.figure("auc").value == dev_threshold(test, dev, rounds=10).levels[0].figure("auc").value


def test_few_clusters_and_shared_subjects_are_noted(make_scores):
    one = {"subject": ["someone"] * 120}
    judgement = dev_threshold(make_scores(columns=one), make_scores("dev", seed=1, columns=one), rounds=10)
    assert judgement.levels[0].figure("auc").low is None
    assert "No intervals: 1 cluster" in judgement.notes[0]
    assert "share 1 subject" in judgement.notes[1]
    few = dev_threshold(make_scores(rows=24), make_scores("dev", seed=1), rounds=10)
    assert few.notes == ("Only 4 clusters by subject: the intervals are coarse and tend to be too narrow.",)


def test_the_reported_split_cannot_choose_the_threshold(make_scores):
    with pytest.raises(ProtocolError, match="which is reported"):
        dev_threshold(make_scores(), make_scores(seed=1), rounds=10)


def test_the_same_rows_under_another_name_cannot_either(make_scores):
    test = make_scores()
    renamed = Scores(test.rows, test.made_by.model_copy(update={"split": "dev", "manifest": "beef"}))
    with pytest.raises(ProtocolError, match="120 of 120 reported rows of tiny are also dev rows"):
        dev_threshold(test, renamed, rounds=10)


def test_another_data_set_may_choose_it(make_scores):
    other = make_scores("test", seed=1, manifest="beef")
    threshold = dev_threshold(make_scores(), other, rounds=10).levels[0].threshold
    assert (threshold.manifest, threshold.split) == ("beef", "test")


@pytest.mark.parametrize(
    ("made_by", "message"),
    [
        ({"model": "other"}, "differ in model: 'tiny' and 'other'"),
        ({"version": "2"}, "differ in version"),
        ({"task": "deepfake"}, "differ in task"),
    ],
)
def test_dev_must_come_from_the_same_model(make_scores, made_by, message):
    with pytest.raises(ProtocolError, match=message):
        dev_threshold(make_scores(), make_scores("dev", **made_by), rounds=10)


def test_pairs_are_not_judged_here(toy, make_scores):
    with pytest.raises(ProtocolError, match="is reported by toy-pairs"):
        dev_threshold(make_scores(task="toy-tint"), make_scores("dev", task="toy-tint"))


def test_one_class_is_named_with_its_place(make_scores):
    with pytest.raises(MetricError, match="test scores of tiny: all 12 rows are of one class"):
        dev_threshold(make_scores(rows=12, columns={"label": [1] * 12}), make_scores("dev", seed=1))
    with pytest.raises(MetricError, match="dev scores of tiny: all 12 rows are of one class"):
        dev_threshold(make_scores(), make_scores("dev", rows=12, columns={"label": [0] * 12}))


def test_an_unknown_rule_is_refused(make_scores):
    with pytest.raises(UsageError, match="no threshold rule"):
        dev_threshold(make_scores(), make_scores("dev", seed=1), rule="best")
