"""The commands about models as files; errors are one line and status 2."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from facetrust import cli, model_file


@pytest.fixture(autouse=True)
def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("FACETRUST_MODELS", str(tmp_path / "kept"))


@pytest.fixture
def shelf(write_model, tmp_path) -> Path:
    """A folder with a catalogue of one model."""
    file = write_model("tiny", name="tiny")
    folder = tmp_path / "shelf"
    folder.mkdir()
    for path in (file, file.with_suffix(".json")):
        path.rename(folder / path.name)
    digests = [
        hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("tiny.onnx", "tiny.json")
    ]
    entry = {"name": "tiny", "version": 1, "task": "antispoof", "licence": "Apache-2.0", "terms": "none"}
    entry |= {"file": "tiny.onnx", "size": (folder / "tiny.onnx").stat().st_size, "card": "tiny.json"}
    entry |= {"sha256": digests[0], "card_sha256": digests[1]}
    told = {"schema": "facetrust.catalogue/1", "models": [entry]}
    (folder / "catalogue.json").write_text(json.dumps(told))
    return folder


def run(*arguments: object) -> int:
    return cli.main(["models", *map(str, arguments)])


def test_from_a_catalogue_to_a_verdict_and_away(shelf, photo, capsys, monkeypatch):
    monkeypatch.setenv("FACETRUST_CATALOGUE", str(shelf))
    assert run("list") == 0
    assert "to be had by: facetrust models pull NAME" in capsys.readouterr().out
    assert run("pull", "tiny") == 0
    assert capsys.readouterr().out == f"tiny@1: antispoof, {model_file.locate('tiny')}\n"
    assert run("list") == 0
    listed = capsys.readouterr().out
    assert "tiny@1" in listed
    assert "to be had" not in listed
    assert run("verify", "tiny") == 0
    assert "card and catalogue  whole" in capsys.readouterr().out
    asked = ["check", str(photo), "--task", "antispoof", "--model", "tiny", "--json"]
    assert cli.main(asked) in (0, 1)
    (verdict,) = json.loads(capsys.readouterr().out)["faces"][0]["verdicts"]
    assert verdict["model"] == "tiny@1"
    assert run("remove", "tiny") == 0
    capsys.readouterr()
    assert cli.main(asked) == 2
    assert "no model named 'tiny'" in capsys.readouterr().err


def test_alone_it_lists_and_asks_no_catalogue(monkeypatch, capsys):
    monkeypatch.setenv("FACETRUST_CATALOGUE", "http://127.0.0.1:1/")
    assert run("--json") == 0
    cards = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert cards == model_file.bundled()
    assert run("list") == 2


def test_a_catalogue_as_json_lines(shelf, capsys):
    assert run("list", "--catalogue", shelf, "--json") == 0
    *cards, entry = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(cards) == len(model_file.bundled())
    assert (entry["name"], entry["licence"]) == ("tiny", "Apache-2.0")


def test_an_import_and_its_page(shelf, tmp_path, capsys):
    assert run("import", shelf / "tiny.onnx", "--card", shelf / "tiny.json") == 0
    assert run("card", "tiny", "--out", tmp_path / "page.html") == 0
    assert "<h1>tiny@1</h1>" in (tmp_path / "page.html").read_text()
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "page.html")


def test_an_altered_model_is_said_and_the_others_are_listed(shelf, capsys):
    assert run("import", shelf / "tiny.onnx") == 0
    model_file.locate("tiny").with_suffix(".json").write_text("{}")
    capsys.readouterr()
    assert run() == 2
    said = capsys.readouterr()
    assert "antispoof-tiny@" in said.out
    assert len(said.err.splitlines()) == 1
    assert run("verify") == 2
    assert "altered" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pull", "tiny"], "no catalogue: give --catalogue PATH or URL, or set FACETRUST_CATALOGUE"),
        (["pull", "tiny", "--catalogue", "no"], "no: no such file"),
        (["pull", "tiny", "--catalogue", "http://127.0.0.1:1/"], "cannot be reached"),
        (["import", "no.onnx"], "no.onnx: no such model file"),
        (["verify", "antispoof-tinny"], "did you mean 'antispoof-tiny'"),
        (["remove", "antispoof-tiny"], "comes with the package"),
        (["card", "antispoof-tiny", "--out", "."], "is a folder"),
        (["card", "nobody", "--out", "x.html"], "no model named 'nobody'"),
    ],
)
def test_an_error_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert not any(path.name != "kept" for path in tmp_path.iterdir())
