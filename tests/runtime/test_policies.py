"""Policies: which of a card's thresholds decides."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import ModelError, UsageError
from facetrust.model_file import bundled
from facetrust.records import POLICIES, QualityLimits, Threshold
from facetrust.runtime.bundled import default_tasks, open_models
from facetrust.runtime.check import check, check_many
from facetrust.runtime.checker import Checker
from facetrust.runtime.model import load_model

PICTURE = np.full((64, 64, 3), 128, np.uint8)  # The tiny model's logit is 4 x mean - 2, about 0.
BOX = (16.0, 16.0, 32.0, 32.0)


def thresholds(*pairs: tuple[str, float]) -> tuple[Threshold, ...]:
    return tuple(Threshold(value=value, rule=rule, manifest="m", split="dev") for rule, value in pairs)


FITTED = thresholds(("bpcer@5%/domain", 0.4), ("apcer@5%", 0.2), ("bpcer@1%/domain", 0.7), ("eer", 0.3))


def picked(card, policy: str) -> tuple[str, float]:
    threshold = card.threshold_for(policy)
    return threshold.rule, threshold.value


@pytest.fixture
def card(write_model):
    return load_model(write_model()).card.model_copy(update={"thresholds": FITTED})


def test_each_policy_has_its_threshold(card):
    assert picked(card, "strict") == ("apcer@5%", 0.2)
    assert picked(card, "balanced") == ("bpcer@5%/domain", 0.4)
    assert picked(card, "lenient") == ("bpcer@1%/domain", 0.7)


def test_of_several_bounds_the_tightest_counts(card):
    more = thresholds(("apcer@10%", 0.25), ("apcer@1%/domain", 0.05), ("bpcer@0.1%", 0.9))
    card = card.model_copy(update={"thresholds": (*FITTED, *more)})
    assert picked(card, "strict") == ("apcer@1%/domain", 0.05)
    assert picked(card, "lenient") == ("bpcer@0.1%", 0.9)


def test_strict_is_never_above_balanced_nor_lenient_below(card):
    """Of a model that parts both classes, a bound on one can lie on the other's side of the first."""
    crossing = thresholds(("eer", 0.5), ("apcer@5%", 0.8), ("bpcer@5%", 0.3))
    card = card.model_copy(update={"thresholds": crossing})
    assert [picked(card, each) for each in POLICIES] == [("eer", 0.5)] * 3


@pytest.mark.parametrize(("policy", "rule"), [("strict", "apcer@5%"), ("lenient", "bpcer@5%")])
def test_a_card_without_one_says_what_it_has(card, policy, rule):
    card = card.model_copy(update={"thresholds": thresholds(("eer", 0.5), ("by hand", 0.4))})
    with pytest.raises(
        UsageError, match=rf"no threshold for the policy {policy}, only eer, by hand; .*{rule}"
    ):
        card.threshold_for(policy)
    assert picked(card, "balanced") == ("eer", 0.5)


def test_what_is_no_policy(card):
    with pytest.raises(UsageError, match="no policy 'harsh'; use strict, balanced, lenient"):
        card.threshold_for("harsh")
    with pytest.raises(ModelError, match="no threshold"):
        card.model_copy(update={"thresholds": ()}).threshold_for("balanced")


def test_a_model_decides_by_it_and_stays_as_it_was(write_model):
    model = load_model(write_model(limits=QualityLimits(least_size=8), thresholds=FITTED))
    strict = model.with_policy("strict")
    assert strict.card.limits == model.card.limits == QualityLimits(least_size=8)
    assert sorted(strict.card.thresholds, key=str) == sorted(FITTED, key=str)
    for one, rule, decision in ((strict, "apcer@5%", "attack"), (model, "bpcer@5%/domain", "bona fide")):
        verdict = one.judge(0.25)
        assert (verdict.threshold, verdict.threshold_rule) == (one.threshold, rule)
        assert verdict.decision == decision
    np.testing.assert_array_equal(strict.score(PICTURE, [BOX]), model.score(PICTURE, [BOX]))


def test_one_is_for_all_models_with_scores(write_model):
    choice = {
        "antispoof": write_model("a", thresholds=FITTED),
        "deepfake": write_model("d", task="deepfake", thresholds=thresholds(("eer", 0.5), ("apcer@1%", 0.1))),
    }
    both = ["antispoof", "deepfake"]
    opened = open_models(both, choice, policy="strict")
    assert [model.threshold for model in opened.values()] == [0.2, 0.1]
    with pytest.raises(UsageError, match="its card has no threshold for the policy lenient"):
        open_models(both, choice, policy="lenient")
    with pytest.raises(UsageError, match="give a policy or thresholds, not both"):
        open_models(both, choice, policy="strict", thresholds=0.5)


def test_an_advisory_model_keeps_its_first_threshold(write_model):
    choice = {
        "antispoof": write_model("a", thresholds=FITTED),
        "deepfake": write_model("d", task="deepfake", thresholds=thresholds(("eer", 0.5)), advisory=True),
    }
    opened = open_models(["antispoof", "deepfake"], choice, policy="strict")
    assert [model.threshold for model in opened.values()] == [0.2, 0.5]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_asked_by_default_takes_every_policy(policy):
    live, genuine = open_models(default_tasks(), policy=policy).values()
    assert live.threshold == live.card.threshold_for(policy).value
    assert genuine.threshold == load_model("deepfake-small").threshold


def test_a_model_without_a_score_has_none(write_model):
    model = load_model(write_model(thresholds=FITTED))
    model.__dict__["task"] = model.task.model_copy(update={"output": "embedding"})
    with pytest.raises(UsageError, match="its models give no score"):
        model.with_policy("strict")
    asked = open_models("antispoof", {"antispoof": model}, policy="strict")
    assert asked["antispoof"] is model


def test_check_takes_it(write_model, told):
    """The picture's score is 0.504: between 0.4 and 0.7."""
    asked = {
        "tasks": "antispoof",
        "models": {"antispoof": write_model(thresholds=FITTED)},
        "detector": told(BOX),
    }
    for policy, trusted in (("strict", False), ("balanced", False), ("lenient", True)):
        assert check(PICTURE, **asked, policy=policy).trusted is trusted
        assert Checker(**asked, policy=policy).check(PICTURE).trusted is trusted
        assert [each.trusted for each in check_many([PICTURE], **asked, policy=policy)] == [trusted]


@pytest.mark.parametrize("name", [each for each in bundled() if load_model(each).task.output == "score"])
def test_what_is_bundled_decides_by_its_first_threshold_unless_told(name):
    card = load_model(name).card
    assert card.threshold_for("balanced") == card.thresholds[0]
    assert card.threshold_for("lenient").value >= card.threshold
