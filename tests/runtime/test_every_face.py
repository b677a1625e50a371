"""Every face of a picture and of a video is judged, however small; past the most, the report says so."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from facetrust import cli
from facetrust.cli.check import check as command
from facetrust.errors import UsageError
from facetrust.faces.detector import SEARCH, Search
from facetrust.runtime.check import check, check_many, check_video
from facetrust.runtime.checker import Checker
from facetrust.runtime.model import load_model

DARK, LIGHT = 20, 250  # To the tiny model: bona fide, an attack.


class Squares:
    """A detector that takes squares unlike grey for faces, from a twentieth of what it is shown up."""

    name, sure, likely = "squares", 0.5, 0.4

    def detect(self, image):
        import cv2

        from facetrust.records import Face

        there = (np.abs(image.mean(axis=2) - 128) > 50).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(there)
        boxes = [tuple(map(float, row[:4])) for row in stats[1:] if row[4] > 60]
        least = max(image.shape[:2]) / 20
        return [
            Face(box=box, points=((box[0], box[1]),) * 5, confidence=0.9)
            for box in sorted(boxes)
            if max(box[2:]) >= least - 1
        ]


def picture(*squares, size=(600, 2000)) -> np.ndarray:
    """Grey, with squares of (x, y, side, level)."""
    image = np.full((*size, 3), 128, np.uint8)
    for x, y, side, level in squares:
        image[y : y + side, x : x + side] = level
    return image


@pytest.fixture
def models(write_model):
    return {"antispoof": write_model()}


def test_a_small_attack_behind_a_large_face_is_not_trusted(models):
    image = picture((100, 100, 400, DARK), (1500, 300, 44, LIGHT))
    report = check(image, tasks="antispoof", models=models, detector=Squares())
    assert [face.verdicts[0].decision for face in report.faces] == ["bona fide", "attack"]
    assert report.trusted is False
    larger = check(image, tasks="antispoof", models=models, detector=Squares(), search=Search(smallest=100))
    assert len(larger.faces) == 1
    assert larger.trusted is True


def test_past_the_most_faces_nothing_is_trusted_and_the_report_counts_them(models):
    image = picture(*((100 * place + 20, 100, 60 + place, DARK) for place in range(5)))
    found = partial_check(image, models, most=3)
    assert [round(face.box[2]) for face in found.faces] == [64, 63, 62]
    assert (found.trusted, found.left_out) == (None, 2)
    assert found.reason == "too many faces: 2 not judged"
    assert '"left_out":2' in found.to_json()
    everyone = partial_check(image, models, most=5)
    assert (everyone.trusted, everyone.left_out, everyone.reason) == (True, 0, None)


def test_an_attack_among_the_judged_counts_before_the_cap(models):
    image = picture((20, 100, 90, LIGHT), *((100 * place + 220, 100, 60, DARK) for place in range(5)))
    assert partial_check(image, models, most=3).trusted is False


def partial_check(image, models, *, most):
    return check(image, tasks="antispoof", models=models, detector=Squares(), search=Search(most=most))


def test_a_crowd_is_judged_a_few_faces_at_a_time_as_each_alone(models, monkeypatch):
    levels = np.random.default_rng(0).choice([*range(20, 70), *range(190, 240)], 80)
    places = [(48 * (number % 40) + 4, 200 * (number // 40) + 30) for number in range(80)]
    image = picture(*((x, y, 40, level) for (x, y), level in zip(places, levels, strict=True)))
    model = load_model(models["antispoof"], batch=16)
    shown = []
    answer = type(model).answer
    monkeypatch.setattr(
        type(model),
        "answer",
        lambda self, crops, **how: shown.append(len(crops)) or answer(self, crops, **how),
    )
    checker = Checker("antispoof", models={"antispoof": model}, detector=Squares())
    checked = checker.check_with_overlays(image)
    assert shown == [16] * 5 + [1] * 64  # The parts of faces, one at a time, of the largest.
    assert len(checked.report.faces) == 80
    assert len(checked.overlays) == 1
    for face in checked.report.faces[::7]:
        (alone,) = model.score(image, [face.box])
        assert face.verdicts[0].score == pytest.approx(alone, abs=1e-6)
    small = picture((100, 100, 400, DARK))
    first, second, third = checker.check_many([small, image, small])
    assert first.faces == third.faces
    named = [
        face.model_copy(
            update={"verdicts": tuple(v.model_copy(update={"evidence_on": None}) for v in face.verdicts)}
        )
        for face in checked.report.faces
    ]
    assert list(second.faces) == named


def test_a_small_face_in_a_video_is_one_track(models, film, tmp_path):
    frames = [picture((50, 50, 200, DARK), (900, 300, 44, LIGHT), size=(480, 1280))] * 100
    report = check_video(
        film(tmp_path / "a.avi", frames), tasks="antispoof", models=models, detector=Squares()
    )
    assert [round(face.box[2]) for face in report.faces] == [200, 44]
    assert report.faces[0].timeline.scored == 16
    # It is looked for in every second frame, four of which lie in a second.
    assert report.faces[1].timeline.scored == pytest.approx(8, abs=1)
    assert report.trusted is False


def test_a_video_with_more_faces_in_a_frame_than_the_most_is_not_trusted(models, film, tmp_path):
    path = film(tmp_path / "a.avi", [picture((50, 50, 60, DARK), (200, 50, 70, DARK), size=(160, 320))] * 25)
    report = check_video(path, tasks="antispoof", models=models, detector=Squares(), search=Search(most=1))
    assert len(report.faces) == 1
    assert (report.trusted, report.left_out) == (None, 1)
    assert report.reason == "too many faces: 1 not judged"


@pytest.mark.parametrize("search", [Search(smallest=3), Search(most=0)])
def test_a_search_out_of_range_is_refused_before_anything_is_read(models, search):
    with pytest.raises(UsageError, match="must be at least"):
        check_many(["missing.png"], tasks="antispoof", models=models, search=search)


def test_the_options_are_those_of_the_search():
    given = inspect.signature(command).parameters
    assert (given["smallest_face"].default, given["most_faces"].default) == SEARCH


def test_the_options(photo, bright_model, capsys):
    asked = ["check", str(photo), "--task", "antispoof", "--model", str(bright_model)]
    assert cli.main([*asked, "--smallest-face", "5"]) == 2
    assert "smallest face must be at least 12 pixels" in capsys.readouterr().err
    assert cli.main([*asked, "--most-faces", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
    assert cli.main([*asked, "--smallest-face", "100", "--most-faces", "1"]) == 0


def test_a_picture_past_the_most_is_status_3(photo, bright_model, tmp_path, capsys):
    from PIL import Image

    with Image.open(photo) as opened:
        twice = np.hstack([np.asarray(opened)] * 2)
    Image.fromarray(twice).save(tmp_path / "two.png")
    asked = ["check", str(tmp_path / "two.png"), "--task", "antispoof", "--model", str(bright_model)]
    assert cli.main(asked) == 0
    capsys.readouterr()
    assert cli.main([*asked, "--most-faces", "1"]) == 3
    assert "cannot tell: too many faces: 1 not judged" in capsys.readouterr().out
