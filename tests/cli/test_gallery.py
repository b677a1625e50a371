"""`verify`, `enroll`, `identify`, `forget` and `gallery`: their statuses, their output, their options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli, model_file

pytestmark = pytest.mark.usefixtures("toy")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def faces(tmp_path_factory, photo: Path, write_embedder) -> Path:
    """A folder: a face, the same lit a little otherwise, the same in blue, two faces, and a wall; a model."""
    root = tmp_path_factory.mktemp("faces")
    face = np.asarray(Image.open(photo))[:300, 90:390]
    pictures = {
        "a": face,
        "a2": (face * 0.995).astype(np.uint8),
        "b": (face * np.array([0.3, 0.6, 1.0])).astype(np.uint8),
        "two": np.concatenate([face, face], axis=1),
        "wall": np.full((200, 200, 3), 128, np.uint8),
    }
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(root / f"{name}.png")
    write_embedder(root / "tint.onnx")
    return root


@pytest.fixture
def place(faces, tmp_path, monkeypatch) -> Path:
    """The folder with the faces is the working directory; a gallery may lie in another."""
    monkeypatch.chdir(faces)
    return tmp_path / "people.db"


MODEL = ("--model", "tint.onnx")


class TestVerify:
    @pytest.mark.parametrize(
        ("second", "status", "answer"),
        [
            ("a2.png", 0, "same"),
            ("b.png", 1, "different"),
            ("wall.png", 3, "not judged: wall.png: no face"),
            ("two.png", 3, "not judged: two.png: several faces (2 faces)"),
        ],
    )
    def test_the_status_is_the_answers(self, place, capsys, second, status, answer):
        assert run("verify", "a.png", second, *MODEL) == status
        said = capsys.readouterr()
        assert answer in said.out
        assert "0.900 (far@1%)" in said.out
        assert said.err == ""

    def test_json_is_one_object_whatever_the_answer(self, place, capsys):
        for second, status in (("a2.png", 0), ("b.png", 1), ("wall.png", 3)):
            assert run("verify", "a.png", second, *MODEL, "--json", "--far", "0.001") == status
            (line,) = capsys.readouterr().out.splitlines()
            said = json.loads(line)
            assert (said["threshold"], said["far"]) == (0.99, 0.001)
            assert len(said["first"]["faces"]) == 1
            assert (said["score"] is None) == (said["decision"] is None) == (said["reason"] is not None)

    def test_liveness_joins_the_bundled_questions(self, place, capsys):
        if not model_file.bundled():
            pytest.skip("no student is bundled")
        status = run("verify", "a.png", "a2.png", *MODEL, "--liveness", "--json")
        said = json.loads(capsys.readouterr().out)
        assert "antispoof" in said["liveness"]
        for side in ("first", "second"):
            (face,) = said[side]["faces"]
            assert {each["task"] for each in face["verdicts"] + face["not_judged"]} == set(said["liveness"])
        assert status == {"same": 0, None: 3}[said["decision"]]
        assert said["score"] > said["threshold"]

    def test_a_threshold_may_be_given(self, place, capsys):
        assert run("verify", "a.png", "b.png", *MODEL, "--threshold", "-1", "--json") == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["threshold"], said["threshold_rule"], said["far"]) == (-1, "user", None)


class TestGallery:
    def test_the_whole_way(self, place, capsys, monkeypatch):
        monkeypatch.setenv("FACETRUST_GALLERY", str(place))
        assert run("enroll", "Ada", "a.png", "a2.png", *MODEL) == 0
        assert capsys.readouterr().out == "Ada: 2 added, 2 in all\n"
        assert run("identify", "a.png", *MODEL) == 0
        assert " Ada " in capsys.readouterr().out
        assert run("identify", "b.png", *MODEL) == 1
        assert " unknown " in capsys.readouterr().out
        assert run("identify", "two.png", *MODEL) == 0
        assert capsys.readouterr().out.count(" Ada ") == 2
        assert run("identify", "wall.png", *MODEL) == 3
        assert "cannot tell: no face" in capsys.readouterr().out
        assert run("gallery") == 0
        assert "2 templates of 1 people, 3 numbers each, by tint@1" in capsys.readouterr().out
        assert run("forget", "Ada") == 0
        assert capsys.readouterr().out == "Ada: 2 templates deleted\n"
        assert run("identify", "a.png", *MODEL) == 1
        assert run("gallery", "--json") == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["people"] == {}

    def test_identify_prints_one_object(self, place, capsys):
        run("enroll", "Ada", "a.png", *MODEL, "--gallery", place)
        capsys.readouterr()
        assert run("identify", "two.png", *MODEL, "--gallery", place, "--json") == 0
        (line,) = capsys.readouterr().out.splitlines()
        said = json.loads(line)
        assert said["schema"] == "facetrust.identify/1"
        assert [match["name"] for match in said["matches"]] == ["Ada", "Ada"]
        assert (said["people"], said["templates"]) == (1, 1)
        assert "vector" not in line

    def test_a_key_seals_it(self, place, capsys, tmp_path):
        pytest.importorskip("cryptography", reason="cryptography is not installed (the extra gallery)")
        (tmp_path / "key").write_text("ab" * 32)
        key = ("--gallery", place, "--key", tmp_path / "key")
        assert run("enroll", "Ada Lovelace", "a.png", *MODEL, *key) == 0
        assert b"Lovelace" not in place.read_bytes()
        assert run("identify", "a.png", *MODEL, *key) == 0
        assert run("gallery", *key) == 0
        assert ", encrypted" in capsys.readouterr().out
        assert run("forget", "Ada Lovelace", *key) == 0

    def test_folders_are_searched(self, place, capsys, tmp_path):
        folder = tmp_path / "ada"
        folder.mkdir()
        for name in ("a.png", "a2.png"):
            (folder / name).write_bytes(Path(name).read_bytes())
        (folder / "notes.txt").write_text("no picture")
        assert run("enroll", "Ada", folder, *MODEL, "--gallery", place) == 0
        assert capsys.readouterr().out == "Ada: 2 added, 2 in all\n"
