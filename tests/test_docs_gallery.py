"""The page about galleries: its commands end as it says, its Python runs, its fields are the program's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.records import Comparison, Identification, Match, Side
from facetrust.runtime.gallery import postgres, sqlite

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "gallery.md").read_text()

pytestmark = pytest.mark.usefixtures("toy")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory, photo: Path, write_embedder) -> Path:
    """A folder with the pictures that the page names, and a model."""
    root = tmp_path_factory.mktemp("docs")
    face = np.asarray(Image.open(photo))[:300, 90:390]
    blue = (face * np.array([0.3, 0.6, 1.0])).astype(np.uint8)
    for name, pixels in {
        "ada-1": face,
        "ada-2": (face * 0.995).astype(np.uint8),
        "bo": blue,
        "both": np.concatenate([face, blue], axis=1),
        "wall": np.full((200, 200, 3), 128, np.uint8),
    }.items():
        Image.fromarray(pixels).save(root / f"{name}.jpg", quality=95)
    write_embedder(root / "faces.onnx")
    return root


def test_the_commands_end_with_the_status_that_the_page_states(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    lines = [line for line in "".join(blocks("")).splitlines() if line.startswith("facetrust ")]
    assert len(lines) >= 7
    for line in lines:
        stated = re.search(r"# .*status (\d)", line)
        status = cli.main(shlex.split(line, comments=True)[1:])
        assert status == (int(stated[1]) if stated else 0), (line, capfd.readouterr())


def test_the_python_runs(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    for code in blocks("python"):
        exec(code, names)
    assert (names["result"].decision, names["result"].far) == ("different", 0.001)
    assert "known Ada" in capsys.readouterr().out


def test_every_field_is_named():
    for record in (Comparison, Identification, Match, Side):
        for name in record.model_fields:
            assert f"`{'schema' if name == 'schema_name' else name}`" in PAGE, (record, name)


def test_the_numbers_are_the_programs():
    assert f"exact up to {postgres.INDEX_FROM:,} templates" in PAGE
    assert sqlite.PATIENCE == postgres.PATIENCE == 5
    assert "waits up to five seconds" in PAGE
