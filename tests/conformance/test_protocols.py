"""Every protocol: what it reports is never what its threshold was fitted on."""

from __future__ import annotations

import inspect

import numpy as np
import polars as pl
import pytest

from facetrust import registry
from facetrust.errors import MetricError, ProtocolError
from facetrust.protocols import Judgement
from facetrust.records import Provenance, Scores


def fits(name: str) -> bool:
    """Whether a protocol fits something on dev; the others have tests of their own."""
    return "dev" in inspect.signature(registry.find("protocols", name)).parameters


NAMES = [name for name in registry.names("protocols") if fits(name)]


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


def test_all_were_seen():
    assert "dev-threshold" in NAMES
    assert set(registry.names("protocols")) - set(NAMES) == {"segmentation"}


@pytest.mark.parametrize("name", NAMES)
class TestEveryProtocol:
    def test_judges_test_with_a_threshold_from_dev(self, name):
        said = registry.build("protocols", name, scores("test"), scores("dev", seed=1), rounds=20)
        assert isinstance(said, Judgement)
        assert said.protocol == name
        assert said.made_by.split == "test"
        assert said.fitted_on.split == "dev"
        assert all(level.threshold.split == "dev" for level in said.levels)

    def test_says_how_each_of_its_figures_is_shown(self, name):
        judgement = registry.build("protocols", name, scores("test"), scores("dev", seed=1), rounds=20)
        shown = [column.metric for column in judgement.columns]
        for level in judgement.levels:
            assert [figure.metric for figure in level.figures] == shown
        assert all(column.title and column.meaning for column in judgement.columns)

    def test_is_the_same_under_a_seed(self, name):
        judge = registry.find("protocols", name)
        pair = scores("test"), scores("dev", seed=1)
        assert judge(*pair, seed=5, rounds=20) == judge(*pair, seed=5, rounds=20)

    def test_refuses_a_threshold_from_the_split_that_it_reports(self, name):
        with pytest.raises(ProtocolError):
            registry.build("protocols", name, scores("test"), scores("test"), rounds=20)

    def test_refuses_rows_that_are_on_both_sides(self, name):
        test = scores("test")
        dev = Scores(test.rows, scores("dev", manifest="other").made_by)
        with pytest.raises(ProtocolError):
            registry.build("protocols", name, test, dev, rounds=20)

    def test_refuses_scores_of_two_models(self, name):
        with pytest.raises(ProtocolError, match="model"):
            registry.build("protocols", name, scores("test"), scores("dev", model="other"), rounds=20)

    @pytest.mark.parametrize("sides", [(None, 0), (1, None)])
    def test_a_single_class_is_a_named_error(self, name, sides):
        with pytest.raises(MetricError, match="class"):
            registry.build(
                "protocols", name, scores("test", only=sides[0]), scores("dev", only=sides[1]), rounds=20
            )
