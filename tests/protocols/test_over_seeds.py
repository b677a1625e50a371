from __future__ import annotations

from math import sqrt

import pytest

from facetrust.protocols import as_published, over_seeds
from facetrust.protocols.dev_threshold import dev_threshold
from facetrust.records import Scores


@pytest.fixture
def judge(make_scores):
    """A function that judges a run of a model: what the protocol says and what published works would."""

    def judge(seed, *, model="tiny", version=None, chance=0):
        made_by = {"model": model, "version": version or f"1+{seed}", "seed": seed}
        scored = make_scores(seed=chance)
        test = Scores(scored.rows, scored.made_by.model_copy(update=made_by))
        dev = Scores(make_scores("dev", seed=99).rows, test.made_by.model_copy(update={"split": "dev"}))
        return dev_threshold(test, dev, rounds=5), as_published(test)

    return judge


def test_mean_and_deviation_are_those_of_the_runs(judge):
    runs = [judge(seed, chance=seed) for seed in (1, 2, 3)]
    found = over_seeds([each for each, _ in runs], published=[each for _, each in runs])
    assert [(each.mode, each.unit) for each in found] == [
        ("honest", "row"), ("honest", "medium"), ("as-published", "medium")
    ]  # fmt: skip
    assert {(each.model, each.seeds) for each in found} == {("tiny@1", (1, 2, 3))}
    for at, group in enumerate(found):
        for figure in group.figures:
            values = [
                (said.levels[at] if at < 2 else theirs).figure(figure.metric).value for said, theirs in runs
            ]
            mean = sum(values) / 3
            assert figure.mean == pytest.approx(mean)
            assert figure.deviation == pytest.approx(sqrt(sum((value - mean) ** 2 for value in values) / 2))
            assert figure.count == 3
    assert {figure.metric for figure in found[2].figures} >= {"hter", "auc", "tpr@fpr=1% (live)"}


def test_an_undefined_figure_is_not_counted(judge):
    one, other = judge(1)[0], judge(2, chance=2)[0]
    level = other.levels[0]
    gone = tuple(
        each.model_copy(update={"value": None}) if each.metric == "ece" else each for each in level.figures
    )
    other = other.model_copy(
        update={"levels": (level.model_copy(update={"figures": gone}), *other.levels[1:])}
    )
    rows, _ = over_seeds([one, other])
    ece = rows.figures[-1]
    assert (ece.metric, ece.count, ece.deviation) == ("ece", 1, None)
    assert ece.mean == one.levels[0].figure("ece").value


def test_only_runs_that_differ_in_the_seed_alone_are_put_together(judge):
    def count(*runs):
        return len(over_seeds([each for each, _ in runs]))

    assert count(judge(1), judge(2)) == 2
    assert count(judge(1)) == 0
    assert count(judge(1), judge(2, model="other")) == 0
    assert count(judge(1), judge(2, version="2+a")) == 0
    assert count(judge(1), judge(1, version="1+other")) == 0
    assert count(judge(None, version="1"), judge(1)) == 0
    assert count(judge(1), judge(2), judge(1, model="other"), judge(2, model="other")) == 4
    assert over_seeds([]) == ()
