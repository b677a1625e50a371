"""Which parts of a face the evidence lies on, by maps and masks whose shares are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from facetrust import Checker
from facetrust.records import Face, Preprocessing, Verdict
from facetrust.runtime.evidence import EvidenceMap
from facetrust.runtime.evidence_parts import ELSEWHERE, with_parts
from facetrust.runtime.model import Answers

IMAGE = np.zeros((200, 200, 3), np.uint8)
BOX = (60.0, 60.0, 80.0, 80.0)
CLASSES = ("background", "left", "right")


class Halves:
    """Answers, for every crop, that the left half is one class and the right half another."""

    def __init__(self, margin: float = 1.0, size: int = 40) -> None:
        how = Preprocessing(margins=(margin,), size=(size, size), fill="reflect")
        self.card = SimpleNamespace(preprocessing=how, classes=CLASSES)

    def crops(self, image, boxes, points):
        return np.zeros((len(boxes), 1, 3, *self.card.preprocessing.size), np.float32)

    def answer(self, crops):
        values = np.zeros((len(crops), 3, *crops.shape[-2:]))
        half = crops.shape[-1] // 2
        values[:, 1, :, :half], values[:, 2, :, half:] = 1, 1
        return Answers(values, None)


def face(decision: str = "attack", box=BOX) -> Face:
    said = Verdict(task="antispoof", score=0.9, threshold=0.5, decision=decision, model="m")
    return Face(box=box, confidence=1.0, points=(), verdicts=(said,))


def parts(values, *, decision: str = "attack", margin: float = 1.0, parser: Halves | None = None):
    how = Preprocessing(margins=(margin,), size=(64, 64), fill="reflect")
    heat = EvidenceMap("antispoof", BOX, how, np.asarray(values, np.float32))
    (found,) = with_parts(IMAGE, [face(decision)], [heat], parser or Halves())
    return found.verdicts[0].evidence_on


def test_a_half_is_named():
    left = np.zeros((8, 8))
    left[:, :3] = 2.0
    assert parts(left) == {"left": 1.0}
    assert parts(left[:, ::-1]) == {"right": 1.0}


def test_shares_are_those_of_the_map():
    assert parts(np.tile([3.0, 3.0, 1.0, 1.0], (4, 1))) == {"left": 0.75, "right": 0.25}


def test_only_what_speaks_for_the_decision_counts():
    both = np.tile([2.0, 2.0, 2.0, -2.0, -2.0, -2.0], (6, 1))
    assert parts(both, decision="attack") == {"left": 1.0}
    assert parts(both, decision="bona fide") == {"right": 1.0}
    assert parts(np.full((4, 4), -1.0), decision="attack") == {}


def test_crops_of_other_widths_meet_in_the_picture():
    """The model sees twice the parser's window: a quarter of its even map lies inside, half of that left."""
    found = parts(np.ones((8, 8)), margin=2.0, parser=Halves(1.0))
    assert next(iter(found)) == ELSEWHERE
    assert found == pytest.approx({ELSEWHERE: 0.75, "left": 0.125, "right": 0.125}, abs=0.01)


def test_a_face_without_a_map_is_left_as_it_is():
    how = Preprocessing(margins=(1.0,), size=(64, 64))
    other = face(box=(0.0, 0.0, 20.0, 20.0))
    heat = EvidenceMap("antispoof", BOX, how, np.ones((4, 4), np.float32))
    found = with_parts(IMAGE, [other, face()], [heat], Halves())
    assert found[0] is other
    assert found[1].verdicts[0].evidence_on is not None
    assert with_parts(IMAGE, [other], [], Halves()) == (other,)


def test_check_names_parts_where_evidence_is_drawn(photo, tmp_path):
    checker = Checker()
    plain, drawn = checker.check(photo), checker.check(photo, evidence=tmp_path)
    assert all(each.evidence_on is None for each in plain.faces[0].verdicts)
    for before, after in zip(plain.faces[0].verdicts, drawn.faces[0].verdicts, strict=True):
        assert after.evidence_on
        assert 0.8 < sum(after.evidence_on.values()) < 1.02
        assert before == after.model_copy(update={"evidence_on": None})
    assert drawn.trusted == plain.trusted
