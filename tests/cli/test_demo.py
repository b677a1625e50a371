"""The demo: the same every time, one page without the network, and honest when the model errs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.cli.demo import Judged, demo, outcome
from facetrust.errors import InputError
from facetrust.records import CheckReport


def test_it_judges_a_photo_and_two_attacks(bright_model, tmp_path):
    rows = demo(tmp_path / "demo", model=str(bright_model))
    assert [(row.name, row.truth) for row in rows] == [
        ("photo", "bona fide"), ("print", "attack"), ("replay", "attack"),
    ]  # fmt: skip
    assert all(row.right is (row.answer == row.truth) for row in rows)
    assert all(row.score is not None and 0 <= row.score <= 1 for row in rows)
    asked = {verdict.task for row in rows for face in row.report.faces for verdict in face.verdicts}
    assert asked == {"antispoof"}
    assert rows[0].right  # The photo is not bright; what the attacks are is not said.
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "demo.png", "evidence", "photo.png", "print.png", "replay.png", "report.html",
    ]  # fmt: skip


def test_the_page_stands_alone(bright_model, tmp_path):
    demo(tmp_path, model=str(bright_model))
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=.(?!data:|#)", page)
    assert "bright@1" in page
    with (
        Image.open(tmp_path / "demo.png") as drawn,
        Image.open(tmp_path / "evidence" / "photo.evidence.png") as one,
    ):
        assert drawn.width == 1010
        assert drawn.height == round(1010 * one.height / (3 * one.width + 44))


@pytest.mark.parametrize("threshold", [0.0000001, 0.9999999])
def test_it_says_which_pictures_the_model_got_wrong(bright_model, tmp_path, capsys, threshold):
    """At a threshold near 0 everything is called an attack; near 1 nothing is."""
    card = bright_model.with_suffix(".json").read_text().replace('"value": 0.5', f'"value": {threshold}')
    (tmp_path / "m.onnx").write_bytes(bright_model.read_bytes())
    (tmp_path / "m.json").write_text(card)
    assert cli.main(["demo", "--model", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "demo")]) == 0
    wrong = "photo" if threshold < 0.5 else "print, replay"
    assert f"the model got {wrong} wrong" in capsys.readouterr().out
    assert f": the model got {wrong} wrong." in (tmp_path / "demo" / "report.html").read_text()


def test_it_is_the_same_every_time(bright_model, tmp_path):
    first, second = (demo(tmp_path / name, model=str(bright_model)) for name in ("a", "b"))
    assert [row.score for row in first] == [row.score for row in second]
    for name in ("photo", "print", "replay"):
        assert (tmp_path / "a" / f"{name}.png").read_bytes() == (tmp_path / "b" / f"{name}.png").read_bytes()


def test_a_photo_without_a_face_is_an_error(bright_model, tmp_path: Path):
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(tmp_path / "wall.png")
    with pytest.raises(InputError, match="none was found"):
        demo(tmp_path / "demo", model=str(bright_model), photo=tmp_path / "wall.png")
    assert not (tmp_path / "demo").exists()


def test_what_was_not_judged_is_neither_right_nor_wrong():
    def row(name: str, truth: str, *decision: str) -> Judged:
        faces = [
            {"box": [0, 0, 9, 9], "points": [], "confidence": 1, "verdicts": [
                {"task": "antispoof", "score": 0.5, "threshold": 0.5, "decision": each, "model": "m@1"}
                for each in decision
            ]}
        ]  # fmt: skip
        report = {"source": name, "size": (9, 9), "faces": faces, "trusted": None, "reason": "no colour"}
        return Judged(name, truth, CheckReport.model_validate(report))

    photo, print_, replay = (
        row("photo", "bona fide", "bona fide"), row("print", "attack", "bona fide"), row("replay", "attack"),
    )  # fmt: skip
    assert [each.right for each in (photo, print_, replay)] == [True, False, None]
    assert replay.answer == "no colour"
    assert outcome([photo, photo]) == "the model got all 2 right"
    assert outcome([photo, replay]) == "the model did not judge replay"
    assert outcome([photo, print_, replay]) == "the model got print wrong and did not judge replay"
