"""The page about scans: its commands end as it says, its Python runs, its columns are the program's."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facetrust import cli
from facetrust.runtime.scan.folder import LISTING, MANIFEST, SETTINGS
from facetrust.runtime.scan.judging import CRASH, ERROR
from facetrust.runtime.scan.reading import MISSING, UNREADABLE
from facetrust.runtime.scan.rows import COLUMNS, FAILURE, OF_TASK, SAME
from facetrust.runtime.scan.sources import BYTES, PATHS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "scan.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_commands_end_as_the_page_states_and_the_python_runs(photo, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Image.open(photo).save("photo.jpg")
    for name in ("one.jpg", "two.jpg"):
        shutil.copy("photo.jpg", Path("folder") / name)
    Path("folder/notes.txt").touch()
    lines = "".join(blocks("")).splitlines()
    assert len(lines) == 3
    for line in lines:
        stated = re.search(r"# status (\d)", line)
        assert cli.main(shlex.split(line, comments=True)[1:]) == (int(stated[1]) if stated else 0), line
    names: dict[str, Any] = {}
    for code in blocks("python"):
        exec(code, names)
    (answer,) = names["answers"].to_dicts()
    assert (answer["source"], answer["same_as"], answer["trusted"]) == ("folder/two.jpg", 0, True)


def test_every_column_kind_and_file_is_explained():
    table = PAGE.split("| column | is |")[1].split("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row]
    explained = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert explained == set(COLUMNS) | {f"<task>_{name}" for name in OF_TASK}
    words = (SAME, FAILURE, MISSING, UNREADABLE, CRASH, ERROR, MANIFEST, SETTINGS, LISTING, *BYTES, *PATHS)
    assert [word for word in words if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize("page", ["scan.md", "scale.md"])
def test_a_page_is_in_the_index(page):
    assert f"({page})" in (Path(__file__).resolve().parents[1] / "docs" / "index.md").read_text()
