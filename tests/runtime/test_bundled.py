"""The bundled students: each answers its question, and its map adds up to its score."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust import Checker
from facetrust.data.sources.celebamask_hq import CLASSES
from facetrust.model_file import bundled
from facetrust.records import Quality
from facetrust.runtime.bundled import default_tasks, open_models
from facetrust.runtime.model import load_model
from facetrust.tasks import task_named

TASKS = default_tasks()


def test_what_is_bundled_is_asked_by_default():
    assert TASKS == ("antispoof", "deepfake")
    others = {"antispoof-small", "deepfake-tiny", "recognition-tiny", "parsing-tiny", "synthetic-tiny"}
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


@pytest.mark.parametrize(
    ("measure", "value", "said"),
    [
        ("yaw", 0.1, None),
        ("yaw", -0.9, "turned away"),
        ("pitch", 0.8, "turned away"),
        ("size", 16, "face of 16 pixels (proven from 24)"),
        ("sharpness", 0.005, "too blurred"),
        ("luminance", 0.03, "too dark"),
        ("luminance", 0.95, "too bright"),
        ("roll", 1.5, None),  # Alignment turns it back.
        ("chroma", 1.0, None),  # An old photo is compared as any other.
    ],
)
def test_the_embedder_compares_no_face_that_its_dev_people_were_not_known_by(measure, value, said):
    measures = {"size": 80, "sharpness": 0.3, "luminance": 0.5, "dark": 0.05, "bright": 0.01, "chroma": 4}
    pose = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0}
    clear = Quality(**measures, tones=0.9, shading=0.6, framed=0, **pose)
    limits = load_model("recognition-tiny").card.limits
    assert limits is not None
    assert limits.reason(clear.model_copy(update={measure: value})) == said


def test_a_picture_without_a_face_is_answered_and_an_unproven_answer_decides_nothing():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    report = Checker("synthetic").check(noise)
    (verdict,) = report.verdicts
    assert report.faces == ()
    assert (verdict.model, verdict.advisory) == ("synthetic-tiny@1", True)
    assert verdict.decision in ("real", "generated")
    assert report.trusted is None


def test_only_what_is_proven_decides():
    decides = {task: not load_model(task_named(task).bundled).card.advisory for task in TASKS}
    assert decides == {"antispoof": True, "deepfake": False}


def test_the_parts_of_a_face_lie_where_they_are(portrait):
    """On a portrait that it never saw: the person's left eye lies right in the picture, the mouth below."""
    model = load_model("parsing-tiny")
    names = model.card.classes
    assert names == CLASSES
    values = model.answer_faces(portrait, [(178.0, 62.0, 88.0, 112.0)]).values
    assert values.shape == (1, 19, 256, 256)
    assert values.sum(1) == pytest.approx(1, abs=1e-5)
    parts = model.judge(values[0])
    places = {
        name: np.argwhere(parts.classes == names.index(name)).mean(0)
        for name in ("skin", "nose", "l_eye", "r_eye", "l_lip", "hair")
    }
    assert places["l_eye"][1] > places["nose"][1] > places["r_eye"][1]
    assert places["hair"][0] < places["nose"][0] < places["l_lip"][0]
    assert places["l_eye"][0] < places["nose"][0]
    assert 0.1 < parts.shares["skin"] < 0.5
