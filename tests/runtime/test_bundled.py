"""The bundled students: each answers its question, and its map adds up to its score."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.model_file import bundled
from facetrust.runtime.bundled import default_tasks, open_models
from facetrust.runtime.model import load_model
from facetrust.tasks import task_named

TASKS = default_tasks()


def test_what_is_bundled_is_asked_by_default():
    assert TASKS == ("antispoof", "deepfake")
    others = {"antispoof-small", "recognition-tiny"}
    assert {str(task_named(task).bundled) for task in TASKS} == set(bundled()) - others
    assert list(open_models(TASKS)) == list(TASKS)
    assert list(open_models("deepfake")) == ["deepfake"]


@pytest.mark.parametrize("task", TASKS)
def test_a_student_answers_its_question(task):
    name = task_named(task).bundled
    model = load_model(name)
    card = model.card
    assert (card.name, card.task) == (name, task)
    assert 0 < model.threshold < 1
    assert card.thresholds[0].split == "dev"
    crops = np.random.default_rng(0).normal(size=(5, 1, 3, *card.preprocessing.size)).astype(np.float32)
    scores, maps = model.answer(crops, evidence=True)
    assert scores == pytest.approx(1 / (1 + np.exp(-maps.astype(float).mean(axis=(1, 2, 3)))), abs=1e-5)


def test_the_embedder_is_not_asked_by_default_and_gives_unit_vectors():
    model = load_model("recognition-tiny")
    card = model.card
    assert (card.task, card.preprocessing.align, card.parameters) == ("recognition", "points", 1_149_872)
    assert [each.rule for each in card.thresholds] == ["far@0.1%", "far@1%"]
    assert {each.split for each in card.thresholds} == {"dev"}
    assert card.thresholds[0].value > card.thresholds[1].value
    images = np.random.default_rng(0).normal(size=(3, 1, 3, 112, 112)).astype(np.float32)
    vectors = model.answer(images).values
    assert vectors.shape == (3, 128)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    mirrored = model.answer(images[..., ::-1].copy()).values
    assert not np.allclose(mirrored, vectors)


def test_only_what_is_proven_decides():
    decides = {task: not load_model(task_named(task).bundled).card.advisory for task in TASKS}
    assert decides == {"antispoof": True, "deepfake": False}
