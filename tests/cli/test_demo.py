"""The demo: the same every time, one page without the network, and honest when the model errs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.cli.demo import demo
from facetrust.errors import InputError


def test_it_judges_a_photo_and_two_attacks(bright_model, tmp_path):
    rows = demo(tmp_path / "demo", model=str(bright_model))
    assert [(row.name, row.truth) for row in rows] == [
        ("photo", "bona fide"), ("print", "attack"), ("replay", "attack"),
    ]  # fmt: skip
    assert all(row.right == (row.answer == row.truth) for row in rows)
    assert all(row.score is not None and 0 <= row.score <= 1 for row in rows)
    asked = {verdict.task for row in rows for face in row.report.faces for verdict in face.verdicts}
    assert asked == {"antispoof"}
    assert rows[0].right  # The photo is not bright; what the attacks are is not said.
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "evidence", "photo.png", "print.png", "replay.png", "report.html",
    ]  # fmt: skip


def test_the_page_stands_alone(bright_model, tmp_path):
    demo(tmp_path, model=str(bright_model))
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert "bright@1" in page


@pytest.mark.parametrize("threshold", [0.0000001, 0.9999999])
def test_it_says_which_pictures_the_model_got_wrong(bright_model, tmp_path, capsys, threshold):
    """At a threshold near 0 everything is called an attack; near 1 nothing is."""
    card = bright_model.with_suffix(".json").read_text().replace('"value": 0.5', f'"value": {threshold}')
    (tmp_path / "m.onnx").write_bytes(bright_model.read_bytes())
    (tmp_path / "m.json").write_text(card)
    assert cli.main(["demo", "--model", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "demo")]) == 0
    wrong = "photo" if threshold < 0.5 else "print, replay"
    assert f"the model got {wrong} wrong" in capsys.readouterr().out
    assert f"It got {wrong} wrong." in (tmp_path / "demo" / "report.html").read_text()


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
