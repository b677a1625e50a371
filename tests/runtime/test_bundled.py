"""The bundled students: each answers its question, and its map adds up to its score."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.model_file import bundled, load_model
from facetrust.runtime.bundled import BUNDLED, DEFAULT_TASKS, models_for


def test_what_is_bundled_is_asked_by_default():
    assert DEFAULT_TASKS == ("antispoof", "deepfake")
    assert sorted(BUNDLED.values()) == bundled()
    assert list(models_for(DEFAULT_TASKS, None, threads=1)) == list(DEFAULT_TASKS)


@pytest.mark.parametrize("task", BUNDLED)
def test_a_student_answers_its_question(task):
    model = load_model(BUNDLED[task])
    card = model.card
    assert (card.name, card.task) == (BUNDLED[task], task)
    assert 0 < model.threshold < 1
    assert card.thresholds[0].split == "dev"
    crops = np.random.default_rng(0).normal(size=(5, 1, 3, *card.preprocessing.size)).astype(np.float32)
    scores, maps = model.score_crops(crops, evidence=True)
    assert scores == pytest.approx(1 / (1 + np.exp(-maps.astype(float).mean(axis=(1, 2, 3)))), abs=1e-5)
