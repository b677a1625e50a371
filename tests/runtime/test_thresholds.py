"""Thresholds that the user gives instead of the card's."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import UsageError
from facetrust.records import QualityLimits
from facetrust.runtime.bundled import open_models
from facetrust.runtime.check import check
from facetrust.runtime.model import USER, load_model

PICTURE = np.full((64, 64, 3), 128, np.uint8)  # The tiny model's logit is 4 x mean - 2, about 0.
BOX = (16.0, 16.0, 32.0, 32.0)


def test_a_model_decides_at_it_and_stays_as_it_was(write_model):
    model = load_model(write_model(limits=QualityLimits(least_size=8)))
    own = model.with_threshold(0.75)
    assert own.card.limits == model.card.limits == QualityLimits(least_size=8)
    assert (own.threshold, model.threshold) == (0.75, 0.5)
    for one, rule, decision in ((own, USER, "bona fide"), (model, "by hand", "attack")):
        verdict = one.judge(0.6)
        assert (verdict.threshold, verdict.threshold_rule) == (one.threshold, rule)
        assert verdict.decision == decision
    np.testing.assert_array_equal(own.score(PICTURE, [BOX]), model.score(PICTURE, [BOX]))


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 2.0, float("nan"), float("inf")])
def test_it_is_above_0_and_below_1(write_model, value):
    with pytest.raises(UsageError, match=r"threshold for antispoof: .* is not above 0 and below 1"):
        load_model(write_model()).with_threshold(value)


def test_a_model_without_a_score_has_none(write_model):
    model = load_model(write_model())
    model.__dict__["task"] = model.task.model_copy(update={"output": "embedding"})
    with pytest.raises(UsageError, match="its models give no score"):
        model.with_threshold(0.5)


def test_one_is_for_all_tasks_or_per_task(write_model):
    choice = {"antispoof": write_model("a"), "deepfake": write_model("d", task="deepfake")}
    for given, wanted in (
        (None, (0.5, 0.5)),
        (0.25, (0.25, 0.25)),
        ({"deepfake": 0.25}, (0.5, 0.25)),
        ({}, (0.5, 0.5)),
    ):
        models = open_models(["antispoof", "deepfake"], choice, thresholds=given)
        assert tuple(model.threshold for model in models.values()) == wanted
    with pytest.raises(UsageError, match="threshold for deepfake, which is not asked; asked: antispoof"):
        open_models("antispoof", choice, thresholds={"deepfake": 0.5})


def test_check_takes_it(write_model, told):
    asked = {"tasks": "antispoof", "models": {"antispoof": write_model()}, "detector": told(BOX)}
    assert check(PICTURE, **asked).trusted is False
    assert check(PICTURE, **asked, thresholds=0.75).trusted is True
