"""Two faces are compared: the decision, the threshold it is made at, and every reason for none."""

from __future__ import annotations

import json

import numpy as np
import pytest

import facetrust
from facetrust import model_file
from facetrust.errors import ModelError, UsageError
from facetrust.records import Embedding, QualityLimits
from facetrust.runtime.verifier import Verifier, limit_of

pytestmark = pytest.mark.usefixtures("toy")
BOX = (20.0, 20.0, 100.0, 100.0)
RED, ROSE, BLUE, WHITE = (250, 60, 60), (250, 120, 60), (60, 60, 250), (255, 240, 240)


def picture(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((160, 160, 3), colour, np.uint8)


def cosine(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    a, b = (np.array(each) / 255 - 0.5 for each in (first, second))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def model(write_embedder, tmp_path_factory):
    return write_embedder(tmp_path_factory.mktemp("tint") / "tint.onnx")


@pytest.fixture
def open_verifier(model, told):
    """Opens a verifier whose detector finds the given boxes."""

    def opened(*boxes, **settings) -> Verifier:
        settings = {"model": model, "detector": told(*(boxes or (BOX,))), **settings}
        return Verifier(**settings)

    return opened


def test_the_score_is_the_cosine_and_the_first_threshold_decides(open_verifier):
    same = open_verifier().verify(picture(RED), picture(ROSE))
    assert same.score == pytest.approx(cosine(RED, ROSE), abs=1e-4)
    assert (same.decision, same.reason, same.threshold, same.far) == ("same", None, 0.9, 0.01)
    assert same
    other = open_verifier().verify(picture(RED), picture(BLUE))
    assert other.score == pytest.approx(cosine(RED, BLUE), abs=1e-4)
    assert other.decision == "different"
    assert not other


def test_a_named_rate_decides_by_its_own_threshold(open_verifier):
    assert 0.9 < cosine(RED, ROSE) < 0.99
    strict = open_verifier(far=0.001).verify(picture(RED), picture(ROSE))
    assert (strict.decision, strict.threshold, strict.threshold_rule, strict.far) == (
        "different", 0.99, "far@0.1%", 0.001,
    )  # fmt: skip


def test_a_score_at_the_threshold_is_the_same(open_verifier):
    score = open_verifier().verify(picture(RED), picture(ROSE)).score
    at = open_verifier(threshold=score).verify(picture(RED), picture(ROSE))
    assert (at.decision, at.far, at.threshold_rule) == ("same", None, "user")
    over = open_verifier(threshold=float(np.nextafter(score, 2))).verify(picture(RED), picture(ROSE))
    assert over.decision == "different"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"far": 0.05}, "no threshold at a false accept rate of 0.05; it has 0.01, 0.001"),
        ({"far": 0.01, "threshold": 0.5}, "give one of them"),
        ({"threshold": 1.5}, "a cosine lies between -1 and 1"),
        ({"threshold": float("nan")}, "a cosine lies between -1 and 1"),
        ({"liveness": {"toy-quarters": "x.onnx"}}, "toy-quarters does not ask whether a face"),
    ],
)
def test_a_setting_out_of_range_is_refused(open_verifier, settings, message):
    with pytest.raises(UsageError, match=message):
        open_verifier(**settings)


def test_rates_are_read_from_rules_and_from_no_other_words(model):
    card = facetrust.load_model(model).card
    for rule, rate in (("far@0.01%", 1e-4), ("far@0.0001", 1e-4), ("eer", None), ("far@low", None)):
        first = card.thresholds[0].model_copy(update={"rule": rule})
        limit = limit_of(card.model_copy(update={"thresholds": (first,)}))
        assert limit.far == (None if rate is None else pytest.approx(rate))
    with pytest.raises(ModelError, match="its card has no threshold"):
        limit_of(card.model_copy(update={"thresholds": ()}))


def test_without_one_good_face_there_is_a_reason_and_no_decision(open_verifier, model, told):
    class Sometimes(told):
        def detect(self, image):
            return super().detect(image) if image[0, 0, 0] != BLUE[0] else []

    none = Verifier(model, detector=Sometimes(BOX)).verify(picture(RED), picture(BLUE))
    assert (none.decision, none.score, none.reason) == (None, None, "no face")
    assert (none.first.reason, none.second.reason) == (None, "no face")
    assert not none
    several = open_verifier((5.0, 5.0, 60.0, 60.0), (90.0, 90.0, 60.0, 60.0))
    many = several.verify(picture(RED), picture(RED))
    assert (many.decision, many.reason, many.first.detail) == (None, "several faces", "2 faces")
    assert len(many.first.faces) == 2


def test_a_face_beyond_the_cards_limits_is_of_poor_quality(write_embedder, tmp_path, told):
    path = write_embedder(tmp_path / "tint.onnx", limits=QualityLimits(least_size=101))
    found = Verifier(path, detector=told(BOX)).verify(picture(RED), picture(RED))
    assert (found.decision, found.reason) == (None, "poor quality")
    assert "proven from 101" in found.first.detail
    free = Verifier(path, detector=told(BOX), quality_gate=False).verify(picture(RED), picture(RED))
    assert free.decision == "same"


def test_an_attack_is_a_reason_and_its_verdict_a_field(open_verifier, bright_model):
    verifier = open_verifier(liveness={"antispoof": bright_model})
    live = verifier.verify(picture(RED), picture(ROSE))
    assert (live.decision, live.liveness) == ("same", ("antispoof",))
    assert live.first.faces[0].verdicts[0].decision == "bona fide"
    attack = verifier.verify(picture(WHITE), picture(WHITE))
    assert (attack.decision, attack.reason, attack.first.reason) == (None, "attack", "attack")
    assert attack.score == pytest.approx(1)
    assert attack.first.faces[0].verdicts[0].decision == "attack"
    assert open_verifier().verify(picture(WHITE), picture(WHITE)).decision == "same"


def edited(path, folder, **changes):
    """A copy of a model whose card says something else."""
    made = folder / path.name
    made.write_bytes(path.read_bytes())
    card = json.loads(path.with_suffix(".json").read_text())
    made.with_suffix(".json").write_text(json.dumps({**card, **changes}))
    return made


def test_what_liveness_does_not_judge_is_not_live(open_verifier, bright_model, tmp_path):
    blind = edited(bright_model, tmp_path, limits={"least_size": 500})
    poor = open_verifier(liveness={"antispoof": blind}).verify(picture(RED), picture(RED))
    assert (poor.decision, poor.reason) == (None, "poor quality")
    advisory = edited(bright_model, tmp_path, advisory=True)
    for colour in (RED, WHITE):
        verifier = open_verifier(liveness={"antispoof": advisory})
        found = verifier.verify(picture(colour), picture(colour))
        assert (found.decision, found.reason) == (None, "liveness open")
        assert found.first.detail.startswith("advisory only")


def test_an_advisory_model_shows_its_score_and_decides_nothing(model, tmp_path, told):
    shown = Verifier(edited(model, tmp_path, advisory=True), detector=told(BOX))
    found = shown.verify(picture(RED), picture(RED))
    assert (found.decision, found.reason) == (None, "advisory")
    assert found.score == pytest.approx(1)


def test_an_embedding_of_before_is_compared_if_this_model_gave_it(open_verifier):
    verifier = open_verifier()
    (before,) = verifier.only_subject(picture(RED))[0].faces[0].embeddings
    found = verifier.verify(before, picture(ROSE))
    assert (found.decision, found.first.faces) == ("same", ())
    assert found.score == pytest.approx(cosine(RED, ROSE), abs=1e-4)
    foreign = before.model_copy(update={"model": "other@1"})
    refused = verifier.verify(picture(RED), foreign)
    assert (refused.decision, refused.score, refused.reason) == (None, None, "other model")
    assert refused.second.detail == "an embedding of other@1"


def test_an_embedding_without_direction_or_number_is_an_error(open_verifier, write_embedder, tmp_path, told):
    empty = Embedding(task="toy-tint", model="tint@1", dimensions=3, vector=(0.0, 0.0, 0.0))
    with pytest.raises(ModelError, match="no direction"):
        open_verifier().verify(empty, picture(RED))
    path = write_embedder(tmp_path / "log.onnx", brightness=True)
    with pytest.raises(ModelError, match="not finite"):
        Verifier(path, detector=told(BOX)).verify(picture(RED), picture(WHITE))


def test_the_json_is_one_line_with_both_sides_and_without_vectors(open_verifier):
    found = open_verifier().verify(picture(RED), picture(ROSE))
    text = found.to_json()
    assert "\n" not in text
    assert "vector" not in text
    said = json.loads(text)
    assert next(iter(said)) == "schema"
    assert said["schema"] == "facetrust.verify/1"
    assert {"score", "threshold", "far", "decision", "reason", "first", "second"} <= set(said)
    assert said["first"]["faces"][0]["embeddings"] == [
        {"task": "toy-tint", "model": "tint@1", "dimensions": 3}
    ]


def test_a_model_without_an_embedding_of_a_face_is_refused(bright_model, told):
    with pytest.raises(ModelError, match="answers antispoof with a score of a face"):
        Verifier(bright_model, detector=told(BOX))


def test_the_bundled_model_is_that_of_the_question_with_embeddings(monkeypatch, model, told):
    monkeypatch.setattr(model_file, "bundled", list)
    with pytest.raises(UsageError, match="no model that compares faces is bundled"):
        Verifier(detector=told(BOX))


def test_one_call_does_the_same(model, told):
    found = facetrust.verify(picture(RED), picture(ROSE), model=model, far=0.001, detector=told(BOX))
    assert (found.decision, found.far) == ("different", 0.001)
