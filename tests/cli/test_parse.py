"""`parse`: its statuses, what it writes, and a folder with a broken picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.imaging import read_mask

pytestmark = pytest.mark.usefixtures("toy")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def place(tmp_path, photo: Path, write_parser, monkeypatch) -> Path:
    """The working directory: a folder with a face, a wall and a broken picture, and a model."""
    folder = tmp_path / "in"
    folder.mkdir()
    Image.open(photo).crop((90, 0, 390, 300)).save(folder / "face.png")
    Image.new("RGB", (120, 90), (128, 128, 128)).save(folder / "wall.png")
    (folder / "broken.png").write_bytes((folder / "wall.png").read_bytes()[:60])
    write_parser(tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_one_picture(place, capsys):
    assert run("parse", "in/face.png", "--model", "m.onnx") == 0
    assert capsys.readouterr().out == "in/face.png: 1 face; parts/face.parts.png\n"
    mask, classes = read_mask(place / "parts" / "face.parts.png")
    assert mask.shape == (300, 300)
    assert classes == ("red", "green", "blue")
    assert names(place / "parts") == ["face.parts.png"]


def test_a_folder_with_a_broken_picture_is_done_but_for_it(place, capsys):
    options = ("--model", "m.onnx", "--out", "in", "--overlay", "--keep", "red")
    assert run("parse", "in", *options) == 2
    out, err = capsys.readouterr()
    assert "in/wall.png: no face\n" in out
    assert err.startswith("facetrust: in/broken.png: is damaged")
    assert len(err.splitlines()) == 1
    made = {"face.parts.png", "face.overlay.parts.png", "face.blurred.png"}
    assert set(names(place / "in")) == {"face.png", "wall.png", "broken.png", *made}
    with Image.open(place / "in" / "face.blurred.png") as picture:
        assert np.asarray(picture).shape == (300, 300, 3)
    # What is written is not looked at as if it were a picture, but for the blurred one, which is.
    run("parse", "in", "--model", "m.onnx", "--out", "again")
    assert "parts.png:" not in capsys.readouterr().out


def test_no_face_is_status_three_and_writes_nothing(place):
    assert run("parse", "in/wall.png", "--model", "m.onnx", "--overlay") == 3
    assert names(place / "parts") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--blur", "nose"), "no class named 'nose'"),
        (("--blur", "red", "--keep", "blue"), "give one of blur and keep"),
        (("--model", "none.onnx"), "none.onnx"),
        (
            ("--model", "antispoof-tiny"),
            "the output of antispoof is score; parts are found",
        ),
    ],
)
def test_wrong_options_are_named_before_anything_is_read(place, capsys, options, message):
    assert run("parse", "in", "--model", "m.onnx", *options) == 2
    out, err = capsys.readouterr()
    assert (out, message in err, len(err.splitlines())) == ("", True, 1)
    assert names(place / "parts") == []


def test_a_place_that_cannot_be_written_to_is_bad_input(place, capsys):
    assert run("parse", "in/face.png", "--model", "m.onnx", "--out", "m.onnx") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
