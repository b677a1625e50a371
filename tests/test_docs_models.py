"""The page about models: its commands run in order, on a catalogue as it describes one."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from itertools import product
from pathlib import Path

from PIL import Image

from facetrust import cli, model_file, registry
from facetrust.runtime.catalogue import keep
from facetrust.runtime.catalogue.entries import FILE, LARGEST, MOST_BYTES, read_catalogue

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "models.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for kind, text in fenced if kind == language]


def test_the_commands_run_on_a_catalogue_as_shown(write_model, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACETRUST_MODELS", str(tmp_path / "kept"))
    (shown,) = blocks("json")
    catalogue = json.loads(shown)
    (entry,) = catalogue["models"]
    model = write_model("tiny")
    (tmp_path / "shelf").mkdir()
    for field, path in (("file", model), ("card", model.with_suffix(".json"))):
        content = path.read_bytes()
        (tmp_path / "shelf" / entry[field]).write_bytes(content)
        entry["sha256" if field == "file" else "card_sha256"] = hashlib.sha256(content).hexdigest()
    entry["size"] = model.stat().st_size
    (tmp_path / "shelf" / FILE).write_text(json.dumps(catalogue))
    Image.open(photo).save("photo.jpg")
    write_model("my", name="my")
    (commands,) = blocks("")
    for line in commands.splitlines():
        words = shlex.split(line, comments=True)[1:]
        assert cli.main(words) in ((0, 1) if words[0] == "check" else (0,)), capsys.readouterr().err
    assert model_file.kept() == ["my"]


def test_the_catalogue_shown_is_one(tmp_path):
    (shown,) = blocks("json")
    (tmp_path / FILE).write_text(shown)
    assert read_catalogue(tmp_path).entries[0].title == "tiny@1"


def test_the_numbers_are_the_programs():
    assert (keep.MOST_CARD_BYTES, MOST_BYTES, LARGEST) == (1 << 20, 4 << 20, 2 << 30)
    assert "a card has at most 1 MiB, a catalogue 4 MiB, a model 2 GiB" in PAGE


def test_the_table_of_runtimes_has_every_student_in_each_and_its_export_runs(tmp_path, monkeypatch, capsys):
    rows = re.findall(r"^\| ([\w-]+@\d+) \| (\w+) \|", PAGE, re.MULTILINE)
    titles = [keep.read_card(name).title for name in model_file.bundled()]
    runtimes = ["onnxruntime", *registry.names("export.runtimes")]
    assert sorted(rows) == sorted(product(titles, runtimes))
    monkeypatch.chdir(tmp_path)
    (commands,) = blocks("sh")
    (export,) = [line for line in commands.splitlines() if line.startswith("facetrust export")]
    assert cli.main(shlex.split(export, comments=True)[1:]) == 0, capsys.readouterr().err
    assert (tmp_path / "antispoof-tiny.xml").is_file()
