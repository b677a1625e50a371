"""Every protocol: what it reports is never what its threshold was fitted on."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import polars as pl
import pytest

from facetrust import registry
from facetrust.errors import MetricError, ProtocolError
from facetrust.protocols import Judgement
from facetrust.records import Pairs, Provenance, Scores, Searches

MASKS = "segmentation"  # What it judges are masks; it has tests of its own.
NAMES = [name for name in registry.names("protocols") if name != MASKS]


def scores(
    split: str, *, manifest: str = "abc", model: str = "tiny", seed: int = 0, only: int | None = None
) -> Scores:
    rng = np.random.default_rng(seed)
    labels = np.array([0, 1] * 30) if only is None else np.full(60, only)
    rows = pl.DataFrame(
        {
            "sample": [f"{split}-{i}.png" for i in range(60)],
            "media": [f"{split}-m{i // 2}" for i in range(60)],
            "subject": [f"{split}-s{i // 6}" for i in range(60)],
            "domain": ["d"] * 60,
            "attack": ["print" if label else None for label in labels],
            "label": labels,
            "score": np.clip(rng.normal(0.3 + 0.4 * labels, 0.2), 0, 1),
        }
    )
    return Scores(
        rows, Provenance(model=model, version="1", task="antispoof", manifest=manifest, split=split)
    )


def pairs(split: str, **settings: Any) -> Pairs:
    """The same scores, of pairs in three folds."""
    table = scores(split, **settings)
    further = {"other": table.rows["subject"], "fold": np.arange(60) % 3 + 1}
    return Pairs(table.rows.with_columns(**further), table.made_by)


def searches(split: str, **settings: Any) -> Searches:
    """The same scores, of probes; those of the gallery are found at rank 1, 2 or 3."""
    table = scores(split, **settings)
    known = table.labels == 1
    further = {
        "mate": [score if mine else None for score, mine in zip(table.scores, known, strict=True)],
        "rank": [row % 3 + 1 if mine else None for row, mine in enumerate(known)],
        "gallery": ["people"] * 60,
        "enrolled": [20] * 60,
    }
    return Searches(table.rows.with_columns(*(pl.Series(name, each) for name, each in further.items())),
                    table.made_by)  # fmt: skip


# What each protocol judges; those that are not named judge scores of faces.
KINDS = {"verification": pairs, "open-set": searches, "identification": searches}


def test_all_were_seen():
    assert {"dev-threshold", *KINDS} <= set(NAMES)
    assert MASKS in registry.names("protocols")


def judged(name: str, *, test: dict[str, Any] | None = None, dev: dict[str, Any] | None = None) -> Judgement:
    """What a protocol says of test, and of dev where it takes that."""
    made = KINDS.get(name, scores)
    tables = [made(**({"split": "test"} | (test or {})))]
    if takes_dev(name):
        tables.append(made(**({"split": "dev", "seed": 1} | (dev or {}))))
    return registry.build("protocols", name, *tables, rounds=20)


def takes_dev(name: str) -> bool:
    return "dev" in inspect.signature(registry.find("protocols", name)).parameters


WITH_DEV = [name for name in NAMES if takes_dev(name)]


@pytest.mark.parametrize("name", NAMES)
class TestEveryProtocol:
    def test_judges_test(self, name):
        said = judged(name)
        assert isinstance(said, Judgement)
        assert said.protocol == name
        assert said.made_by.split == "test"

    def test_says_how_each_of_its_figures_is_shown(self, name):
        judgement = judged(name)
        shown = [column.metric for column in judgement.columns]
        for level in judgement.levels:
            assert [figure.metric for figure in level.figures] == shown
        assert all(column.title and column.meaning for column in judgement.columns)

    def test_is_the_same_under_a_seed(self, name):
        assert judged(name) == judged(name)


@pytest.mark.parametrize("name", WITH_DEV)
class TestEveryProtocolWithAThreshold:
    def test_its_threshold_is_from_dev(self, name):
        said = judged(name)
        assert said.fitted_on.split == "dev"
        assert all(level.threshold.split == "dev" for level in said.levels)

    def test_refuses_a_threshold_from_the_split_that_it_reports(self, name):
        with pytest.raises(ProtocolError):
            judged(name, dev={"split": "test", "seed": 0})

    def test_refuses_rows_that_are_on_both_sides(self, name):
        test = KINDS.get(name, scores)("test")
        dev = type(test)(test.rows, scores("dev", manifest="other").made_by)
        with pytest.raises(ProtocolError):
            registry.build("protocols", name, test, dev, rounds=20)

    def test_refuses_scores_of_two_models(self, name):
        with pytest.raises(ProtocolError, match="model"):
            judged(name, dev={"model": "other"})

    @pytest.mark.parametrize("sides", [(None, 0), (1, None)])
    def test_a_single_class_is_a_named_error(self, name, sides):
        with pytest.raises(MetricError, match="class"):
            judged(name, test={"only": sides[0]}, dev={"only": sides[1]})
