"""The page's files: all of them in the wheel, none that asks another host or holds a script of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from facetrust.runtime.words import words
from facetrust.serve.app import PAGE

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(PAGE.iterdir())


def test_the_wheel_holds_the_page_and_the_reports_template(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith(".py")}
    wanted = {f"facetrust/serve/page/{path.name}" for path in FILES}
    assert len(wanted) >= 12
    wanted |= {f"facetrust/runtime/report/report.{suffix}" for suffix in ("html.j2", "css", "js")}
    assert wanted <= held


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_no_file_asks_another_host_or_writes_markup(path):
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://\w|\beval\(|innerHTML|insertAdjacentHTML|document\.write", text) == []
    assert len(text.splitlines()) <= 400


def test_the_page_has_no_inline_script_style_or_handler():
    seen: list[tuple[str, dict[str, str | None]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

    Tags().feed((PAGE / "index.html").read_text())
    assert [tag for tag, _ in seen if tag == "style"] == []
    assert [attributes["src"] for tag, attributes in seen if tag == "script"] == ["page.js"]
    assert [
        name for _, attributes in seen for name in attributes if name == "style" or name[:2] == "on"
    ] == []
    names = [attributes["id"] for _, attributes in seen if "id" in attributes]
    assert len(set(names)) == len(names)
    told = {attributes.get("aria-controls") for tag, attributes in seen if attributes.get("role") == "tab"}
    assert told <= set(names)


def test_every_module_that_is_imported_is_there():
    for path in PAGE.glob("*.js"):
        for name in re.findall(r'from "\./([\w.]+)"', path.read_text()):
            assert (PAGE / name).is_file()


def test_plain_words_are_answered_to_everybody(client):
    answer = client.get("/words.json")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(words()))
    assert answer.json()["trusted"]["null"][0] == "Cannot tell"
