"""The limits of a card: what lies beyond them, in which words, and which limits are none."""

from __future__ import annotations

import json

import pytest

from facetrust.errors import ModelError
from facetrust.records import ModelCard, Preprocessing, Quality, QualityLimits

GOOD = Quality(
    size=80, sharpness=0.3, luminance=0.5, dark=0.0, bright=0.0, chroma=4.0, tones=0.9, shading=0.6, framed=0,
    room=1.5, yaw=0.1, pitch=-0.1, roll=0.0,
)  # fmt: skip
LIMITS = QualityLimits(
    least_size=64,
    least_sharpness=0.1,
    most_sharpness=2,
    least_luminance=0.1,
    most_luminance=0.9,
    most_dark=0.4,
    most_bright=0.4,
    least_chroma=1,
    least_tones=0.2,
    least_shading=0.2,
    most_framed=2,
    least_room=1.2,
    most_yaw=0.6,
    most_pitch=0.5,
    most_roll=0.4,
)


@pytest.mark.parametrize(
    ("name", "value", "limit", "reason"),
    [
        ("size", 17.6, "least_size", "face of 18 pixels (proven from 64)"),
        ("sharpness", 0.05, "least_sharpness", "too blurred"),
        ("sharpness", 5, "most_sharpness", "drawn or of too few tones"),
        ("luminance", 0.05, "least_luminance", "too dark"),
        ("luminance", 0.95, "most_luminance", "too bright"),
        ("dark", 0.5, "most_dark", "too dark"),
        ("bright", 0.5, "most_bright", "too bright"),
        ("chroma", 0.5, "least_chroma", "no colour"),
        ("tones", 0.1, "least_tones", "drawn or of too few tones"),
        ("shading", 0.1, "least_shading", "drawn or of too few tones"),
        ("framed", 3, "most_framed", "a picture inside a window or frame"),
        ("room", 1.1, "least_room", "the picture ends at the face"),
        ("room", None, "least_room", "the picture ends at the face"),
        ("yaw", 0.7, "most_yaw", "turned away"),
        ("yaw", -0.7, "most_yaw", "turned away"),
        ("yaw", None, "most_yaw", "turned away"),
        ("pitch", -0.6, "most_pitch", "turned away"),
        ("roll", 0.5, "most_roll", "tilted"),
    ],
)
def test_each_limit_has_its_reason(name, value, limit, reason):
    poor = GOOD.model_copy(update={name: value})
    assert LIMITS.beyond(GOOD) == ()
    assert LIMITS.reason(GOOD) is None
    assert LIMITS.beyond(poor) == (limit,)
    assert LIMITS.reason(poor) == reason


def test_a_value_at_the_limit_is_within():
    edge = GOOD.model_copy(
        update={"size": 64.0, "sharpness": 2.0, "dark": 0.4, "framed": 2, "tones": 0.2, "yaw": -0.6}
    )
    assert LIMITS.beyond(edge) == ()


def test_every_reason_is_given_once():
    poor = GOOD.model_copy(
        update={"chroma": 0.0, "tones": 0.0, "shading": 0.0, "luminance": 0.0, "dark": 1.0}
    )
    assert LIMITS.reason(poor) == "too dark, no colour, drawn or of too few tones"


def test_no_limit_refuses_nothing():
    worst = dict.fromkeys(Quality.model_fields, 0)
    assert QualityLimits().beyond(Quality(**worst)) == ()


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ('{"least_size": NaN}', "limits.least_size"),
        ('{"least_size": -1}', "limits.least_size"),
        ('{"most_sharpness": Infinity}', "limits.most_sharpness"),
        ('{"most_dark": 1.5}', "limits.most_dark"),
        ('{"most_framed": 5}', "limits.most_framed"),
        ('{"most_yaw": -0.1}', "limits.most_yaw"),
        ('{"most_roll": 4}', "limits.most_roll"),
        ('{"least_luminance": 0.9, "most_luminance": 0.1}', "least_luminance is above most_luminance"),
        ('{"least_sharpness": 3, "most_sharpness": 1}', "least_sharpness is above most_sharpness"),
        ('{"least_colour": 1}', "limits.least_colour"),
    ],
)
def test_a_card_with_limits_out_of_range_is_refused(limits, where):
    card = json.loads(_card().to_json())
    text = json.dumps({**card, "limits": json.loads(limits)})
    with pytest.raises(ModelError, match=where):
        ModelCard.from_json(text, "a.json")


def test_a_card_keeps_its_limits_and_an_older_card_has_none():
    card = _card(limits=LIMITS)
    assert ModelCard.from_json(card.to_json(), "a.json") == card
    old = json.loads(card.to_json())
    del old["limits"]
    assert ModelCard.from_json(json.dumps(old), "a.json").limits is None


def _card(**changes) -> ModelCard:
    return ModelCard(
        name="a",
        task="antispoof",
        architecture="none",
        preprocessing=Preprocessing(),
        score_means="nothing",
        **changes,
    )
