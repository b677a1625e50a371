"""`check --report`: one page beside what is printed, with the same exit statuses."""

from __future__ import annotations

import json
import re

import numpy as np
from PIL import Image

from facetrust import cli

ATTACKS = ("--task", "antispoof", "--model")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_the_page_says_what_is_printed(pictures, bright_model, tmp_path, capsys):
    (pictures / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (pictures / "notes.txt").touch()
    page = tmp_path / "new" / "out.html"
    assert run("check", pictures, *ATTACKS, bright_model, "--report", page, "--json") == 2
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    text = page.read_text()
    answers = re.findall(r'class="answer \w+">([^<]+)<', text)
    assert answers == ["Trusted", "Could not be read", "Not trusted", "Cannot tell"]
    assert [each["trusted"] for each in said] == [True, False, None]
    score = said[0]["faces"][0]["verdicts"][0]["score"]
    assert f"Score {score:.3f} is below the threshold 0.500" in text
    assert text.count("data:image/jpeg;base64,") == 3
    assert "data:image/png" not in text
    assert "notes.txt: skipped" in text
    assert [each.name for each in page.parent.iterdir()] == ["out.html"]


def test_maps_are_in_it_where_there_is_a_folder_for_them(photo, bright_model, tmp_path, capsys):
    page = tmp_path / "out.html"
    assert (
        run("check", photo, *ATTACKS, bright_model, "--report", page, "--evidence", tmp_path / "m", "--quiet")
        == 0
    )
    assert page.read_text().count("data:image/png;base64,") == 1
    assert capsys.readouterr() == ("", "")


def test_a_policy_and_a_threshold_by_hand_are_told(photo, bright_model, tmp_path):
    page = tmp_path / "out.html"
    run("check", photo, *ATTACKS, bright_model, "--threshold", "0.25", "--report", page)
    assert "<dd>0.25, by <code>user</code></dd>" in page.read_text()
    run("check", photo, *ATTACKS, bright_model, "--policy", "balanced", "--report", page)
    assert "<dt>policy</dt><dd>balanced</dd>" in page.read_text()


def test_a_place_that_cannot_be_is_refused_before_anything_is_checked(photo, bright_model, tmp_path, capsys):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "out.html"):
        assert run("check", photo, *ATTACKS, bright_model, "--report", place) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert re.fullmatch(rf"facetrust: {place}: cannot be written \(.*\); give .*\n", said.err)


def test_an_interrupted_run_leaves_the_old_page(photo, bright_model, tmp_path, monkeypatch):
    page = tmp_path / "out.html"
    page.write_text("old")

    def interrupted(*_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("facetrust.runtime.checker.Checker.check_many", interrupted)
    assert run("check", photo, *ATTACKS, bright_model, "--report", page) == 130
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".html"] == ["out.html"]
    assert page.read_text() == "old"


def test_of_a_video_every_track_has_a_line(tmp_path, photo, film, bright_model):
    face = np.asarray(Image.open(photo))[::2, ::2]
    path = film(tmp_path / "<b>a.mp4", [face] * 20)
    assert run("check", path, *ATTACKS, bright_model, "--report", tmp_path / "out.html", "--quiet") == 0
    text = (tmp_path / "out.html").read_text()
    assert text.count("<polyline") == 1
    assert "Track 1" in text
    assert "<b>" not in text
