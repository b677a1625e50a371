"""Protocols of people: figures by hand and against slow references; nobody who was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from facetrust.errors import MetricError, ProtocolError
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr
from facetrust.protocols.identification import identification
from facetrust.protocols.open_set import open_set
from facetrust.protocols.verification import verification
from facetrust.records import Pairs, Provenance, Scores, Searches, read_table


def made_by(split: str = "test", **changes: Any) -> Provenance:
    about = {"model": "tiny", "version": "1", "task": "toy-tint", "manifest": "m", "split": split}
    return Provenance(**{"trained_people": 0, **about, **changes})


def rows(labels, scores, **further) -> pl.DataFrame:
    count = len(labels)
    texts = {name: [None] * count for name in ("media", "domain", "attack")}
    named = {"sample": [f"{number}" for number in range(count)], "label": labels, "score": scores}
    people = {"subject": [f"p{number % 20}" for number in range(count)]}
    return pl.DataFrame({**named, **texts, **people, **further}, strict=False)


def pairs(seed: int = 0, *, folds: bool = True, count: int = 2000, shift: float = 2, **source) -> Pairs:
    rng = np.random.default_rng(seed)
    labels = np.tile([1, 0], count // 2)
    others = [f"p{(number + (0 if label else 7)) % 20}" for number, label in enumerate(labels)]
    fold = np.repeat(np.arange(10), count // 10) + 1 if folds else [None] * count
    return Pairs(rows(labels, rng.normal(labels * shift, 1), other=others, fold=fold), made_by(**source))


def figures(judgement) -> dict[str, float]:
    return {figure.metric: figure.value for figure in judgement.levels[0].figures}


def test_verification_over_folds_without_dev():
    table = pairs()
    said = verification(table, rounds=50)
    found = figures(said)
    assert list(found) == ["accuracy", "accuracy-deviation", "tar@far=1%", "tar@far=0.1%", "eer", "auc"]
    each = []
    for fold in range(1, 11):
        mine, others = table.folds == fold, table.folds != fold
        tried = [
            (np.mean((table.scores[others] >= t) == table.labels[others]), t) for t in table.scores[others]
        ]
        best = sorted(t for right, t in tried if right == max(tried)[0])
        each.append(np.mean((table.scores[mine] >= best[0]) == table.labels[mine]))
    assert found["accuracy"] == pytest.approx(np.mean(each), abs=0.002)
    assert found["accuracy-deviation"] == pytest.approx(np.std(each), abs=0.003)
    strangers = np.sort(table.scores[table.labels == 0])[::-1]
    assert found["tar@far=1%"] == pytest.approx(np.mean(table.scores[table.labels == 1] > strangers[10]))
    assert found["tar@far=0.1%"] == pytest.approx(np.mean(table.scores[table.labels == 1] > strangers[1]))
    level = said.levels[0]
    assert (level.unit, level.count, level.clusters, level.clustered_by) == ("pair", 2000, 20, "subject")
    assert all(f.low <= f.value <= f.high for f in level.figures if f.metric != "accuracy-deviation")
    assert (said.rule, said.fitted_on, level.threshold, said.notes) == ("", None, None, ())


def test_verification_at_a_threshold_from_dev():
    test, dev = pairs(), pairs(1, split="dev", folds=False)
    said = verification(test, dev, rule="far@1%", rounds=20)
    threshold = said.levels[0].threshold
    strangers = dev.scores[dev.labels == 0]
    assert (threshold.rule, threshold.split) == ("far@1%", "dev")
    assert np.mean(strangers >= threshold.value) == 0.01
    found = figures(said)
    assert found["tar"] == pytest.approx(np.mean(test.scores[test.labels == 1] >= threshold.value))
    assert found["far"] == np.mean(test.scores[test.labels == 0] >= threshold.value)
    tar = said.levels[0].figure("tar")
    assert tar.low <= tar.value <= tar.high
    assert "accuracy" not in figures(verification(pairs(folds=False), rounds=20))


def test_a_rate_that_no_pair_would_make_up_is_left_out():
    names = [name for name in figures(verification(pairs(count=20_000), rounds=5)) if name.startswith("tar@")]
    assert names == ["tar@far=1%", "tar@far=0.1%", "tar@far=0.01%"]
    assert "tar@far=1%" not in figures(verification(pairs(count=100), rounds=5))


def test_people_who_were_trained_on_are_refused():
    with pytest.raises(ProtocolError, match="tiny was trained on 3 of the people of the test split"):
        verification(pairs(trained_people=3))
    with pytest.raises(ProtocolError, match="trained on 1 of"):
        open_set(searches(trained_people=1))
    (note,) = verification(pairs(trained_people=None), rounds=5).notes
    assert note.startswith("Whom tiny was trained on is not known here")
    assert any(
        "trained on 4 of these people" in each for each in identification(searches(trained_people=4)).notes
    )


def test_other_tables_are_refused():
    plain = Scores(pairs().rows, made_by())
    with pytest.raises(ProtocolError, match="verification judges pairs"):
        verification(plain)
    for protocol in (identification, open_set):
        with pytest.raises(ProtocolError, match="judges searches of a gallery"):
            protocol(pairs())


def searches(seed: int = 0, *, strangers: bool = True, **source) -> Searches:
    """Two probes in three are of the gallery, and of these every fourth has another person before it."""
    rng = np.random.default_rng(seed)
    known = (np.arange(600) % 3 > 0) | (not strangers)
    rank = np.where(np.arange(600) % 4 == 0, 2 + np.arange(600) % 7, 1)
    score = rng.normal(known * 2.0, 1)
    table = rows(
        known.astype(int),
        score,
        mate=[float(s) - (r > 1) if k else None for s, r, k in zip(score, rank, known, strict=True)],
        rank=[int(r) if k else None for r, k in zip(rank, known, strict=True)],
        gallery=["g.csv"] * 600,
        enrolled=[50] * 600,
    )
    return Searches(table, made_by(**source))


def test_identification_by_rank():
    table = searches()
    said = identification(table, rounds=100)
    ranks = [rank for rank in table.rows["rank"] if rank is not None]
    for rank in (1, 5, 10):
        figure = said.levels[0].figure(f"rank-{rank}")
        assert figure.value == sum(each <= rank for each in ranks) / 400
        assert figure.low <= figure.value <= figure.high
    assert said.levels[0].count == 400
    assert said.notes[0] == (
        "400 probes of the test split were looked for among the 50 people of g.csv; guessing finds 2.00%."
    )
    first = sum(rank == 1 for rank in ranks) / 600
    assert "200 probes of people who are not in the gallery were left out" in said.notes[1]
    assert said.notes[1].endswith(f"Of all 600 probes {first:.1%} are named rightly, and 66.7% can be.")
    nobody = Searches(table.rows.filter(pl.col("label") == 0), made_by())
    with pytest.raises(MetricError, match="none of the 200 probes shows anybody of the gallery"):
        identification(nobody)


def test_open_set_against_a_slow_search_and_at_a_threshold_from_dev():
    table, dev = searches(), searches(1, split="dev")
    said = open_set(table, dev, rule="far@5%", rounds=50)
    found = figures(said)
    scores, labels = table.scores, table.labels
    first = table.rows["rank"].fill_null(0).to_numpy() == 1
    for rate, name in ((0.1, "10%"), (0.01, "1%")):
        rates = [
            np.mean((scores >= t)[labels == 1] & first[labels == 1])
            for t in scores
            if np.mean(scores[labels == 0] >= t) <= rate
        ]
        assert found[f"dir@fpir={name}"] == pytest.approx(max(rates))
    assert "dir@fpir=0.1%" not in found
    value = said.levels[0].threshold.value
    assert np.mean(dev.scores[dev.labels == 0] >= value) == 0.05
    assert found["dir"] == np.mean((scores >= value)[labels == 1] & first[labels == 1])
    assert found["fpir"] == np.mean(scores[labels == 0] >= value)
    assert found["rank-1"] == np.mean(first[labels == 1])
    assert found["dir@fpir=10%"] < tpr_at_fpr(labels, scores, fpr=0.1)
    with pytest.raises(MetricError, match="one class"):
        open_set(searches(strangers=False))


def test_tables_are_read_as_what_they_are(tmp_path):
    for table in (pairs(), searches(), Scores(pairs().rows, made_by())):
        table.write(tmp_path / "t.parquet")
        again = read_table(tmp_path / "t.parquet")
        assert type(again) is type(table)
        assert again.rows.equals(table.rows)
        assert again.made_by == table.made_by
