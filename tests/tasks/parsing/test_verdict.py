"""How classes of pixels are judged: the likeliest one, and shares by name."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import ModelError
from facetrust.records import ModelCard, Preprocessing
from facetrust.tasks import judge_of


@pytest.fixture
def card():
    return ModelCard(
        name="parts",
        task="parsing",
        architecture="any",
        preprocessing=Preprocessing(),
        score_means="any",
        classes=("background", "skin", "hair"),
    )


def test_the_likeliest_class_of_each_pixel_and_the_shares(card):
    values = np.array([[[0.6, 0.3], [0.4, 0.2]], [[0.3, 0.5], [0.4, 0.2]], [[0.1, 0.2], [0.2, 0.6]]])
    parts = judge_of("parsing")(values, card)
    assert parts.classes.tolist() == [[0, 1], [0, 2]]  # Of equals the first.
    assert parts.classes.dtype == np.uint8
    assert parts.shares == {"background": 0.5, "skin": 0.25, "hair": 0.25}
    assert (parts.task, parts.model) == ("parsing", "parts@1")


def test_a_card_with_other_classes_is_refused(card):
    with pytest.raises(ModelError, match="answers with 2 classes, its card names 3"):
        judge_of("parsing")(np.zeros((2, 4, 4)), card)
