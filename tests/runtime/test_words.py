"""Every reason and every verdict has plain words."""

from __future__ import annotations

import re

import pytest

from facetrust.records import Quality, QualityLimits, Verdict
from facetrust.runtime.trust import ADVISORY, NO_FACE, NOTHING_ASKED, lacking_faces
from facetrust.runtime.words import REASONS, reason_says, verdict_says, words
from facetrust.tasks import task_named, task_names

POOR = Quality(
    size=10, sharpness=0, luminance=0, dark=1, bright=1, chroma=0, tones=0, shading=0, framed=4, room=0.5,
    yaw=3, pitch=3, roll=3,
)  # fmt: skip
LEAST = {"size": 50, "sharpness": 1, "luminance": 0.5, "chroma": 1, "tones": 0.5, "shading": 0.5, "room": 1}
MOST = {"dark": 0, "bright": 0, "framed": 0, "yaw": 1, "pitch": 1, "roll": 1}
STRICT = QualityLimits(
    **{f"least_{name}": value for name, value in LEAST.items()},
    **{f"most_{name}": value for name, value in MOST.items()},
)


def test_every_reason_of_a_faces_quality_has_a_sentence():
    reason = STRICT.reason(POOR)
    assert reason is not None
    assert len(STRICT.beyond(POOR)) == len(LEAST) + len(MOST)
    said = reason_says(f"not judged: {reason} (3 faces)")
    assert len(said) == len(reason.split(", "))
    assert set(said) <= set(REASONS.values())
    assert all(re.search(r"\s.*\.$", each) for each in said)


@pytest.mark.parametrize("reason", [NO_FACE, ADVISORY, NOTHING_ASKED, lacking_faces(3, 7)])
def test_every_reason_of_trust_has_one_sentence(reason):
    (said,) = reason_says(reason)
    assert said != reason
    assert said in REASONS.values()


def test_reasons_of_several_models_are_told_once():
    assert reason_says("not judged: too blurred; too blurred, too dark (2 faces)") == (
        REASONS["too blurred"],
        REASONS["too dark"],
    )


def test_an_unknown_reason_stands_as_it_is_and_none_says_nothing():
    assert reason_says("the moon is full") == ("the moon is full",)
    assert reason_says(None) == ()


@pytest.mark.parametrize("name", [name for name in task_names() if task_named(name).output == "score"])
def test_both_decisions_of_every_question_are_sentences_that_differ(name):
    task = task_named(name)
    fields = {"task": name, "score": 0.5, "threshold": 0.5, "model": "tiny@1"}
    said = [verdict_says(Verdict(decision=word, **fields)) for word in task.decisions]
    assert said == [task.negative_says, task.positive_says]
    assert len(set(said)) == 2
    assert all(each.endswith(".") for each in said)
    assert verdict_says(Verdict(decision="odd", **fields)) == "The model's answer is: odd."


def test_the_words_for_a_page_are_these():
    told = words()
    assert set(told["tasks"]) == set(task_names())
    assert told["tasks"]["antispoof"]["negative_says"] == task_named("antispoof").negative_says
    assert set(told["trusted"]) == {"true", "false", "null"}
    assert told["reasons"] == REASONS
