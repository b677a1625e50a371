"""The pages as a site: links lead somewhere, every page is on the map, nothing comes from elsewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import facetrust

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The site's hooks, which import MkDocs only when it calls them."""
    spec = importlib.util.spec_from_file_location("mkdocs_pages", ROOT / "mkdocs_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def links_of(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", _CODE.sub("", text)))


def anchors_of(text: str) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", text), re.MULTILINE)
    plain = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", each).replace("`", "").strip().lower() for each in headings
    ]
    return {re.sub(r"[^\w\- ]", "", each).replace(" ", "-") for each in plain}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in links_of(page.read_text()):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text())):
            broken.append(link)
    return broken


def nav_of(entries: list[dict[str, Any]]) -> list[str]:
    """Returns the pages on the map, in their order."""
    found = []
    for entry in entries:
        for value in entry.values():
            found += nav_of(value) if isinstance(value, list) else [value]
    return found


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page):
    assert broken_links(page) == []


def test_what_leads_nowhere_is_found(tmp_path):
    (tmp_path / "b.md").write_text("# Two words, and `code`\n```\n# no heading\n[x](code.md)\n```\n")
    page = tmp_path / "a.md"
    page.write_text(
        "[a](b.md#two-words-and-code) [b](b.md#no-heading) [c](c.md) [d](#here) `[e](e.md)` [f](b.md)"
    )
    assert broken_links(page) == ["b.md#no-heading", "c.md", "#here"]


def test_every_page_is_on_the_map_once(pages):
    in_docs = {path.name for path in (ROOT / "docs").glob("*.md")} | {"decisions/README.md", "reference.md"}
    on_map = nav_of(CONFIG["nav"])
    assert sorted(on_map) == sorted(in_docs | {pages.site_path(name) for name in pages.PROJECT})


def test_every_decision_is_reached_from_their_page():
    overview = (ROOT / "docs" / "decisions" / "README.md").read_text()
    decisions = {path.name for path in (ROOT / "docs" / "decisions").glob("*.md")} - {"README.md"}
    assert decisions - {link.partition("#")[0] for link in links_of(overview)} == set()


def test_a_wrong_page_ends_the_build_and_no_font_is_fetched():
    assert CONFIG["strict"] is True
    assert set(CONFIG["validation"].values()) == {"warn"}
    assert CONFIG["theme"]["font"] is False
    text = (ROOT / "mkdocs.yml").read_text()
    assert not re.search(r"https?://", text)


def test_links_are_those_of_the_site(pages):
    text = "[a](../README.md) [b](check.md#limits) [c](decisions/README.md) [d](https://a.example/) [e](#x)"
    assert pages.relinked(text, "docs/index.md") == text.replace("../README.md", "project-readme.md")
    assert pages.relinked("[a](../../README.md#x) [b](../check.md)", "docs/decisions/int8.md") == (
        "[a](../project-readme.md#x) [b](../check.md)"
    )
    assert pages.relinked("![a](docs/demo.png) [b](CHANGELOG.md) [c](LICENSE)", "README.md") == (
        "![a](demo.png) [b](project-changelog.md) c"
    )


def test_of_a_link_to_a_program_its_words_are_left_and_a_broken_one_stays(pages):
    text = "[`scan.py`](../benchmarks/scan.py) and [x](../benchmarks/gone.py)"
    assert pages.relinked(text, "docs/scale.md") == "`scan.py` and [x](../benchmarks/gone.py)"


def test_the_reference_has_every_public_name(pages):
    named = re.findall(r"^::: facetrust\.(\w+)$", pages.reference(), re.MULTILINE)
    assert set(named) == set(facetrust.__all__) - {"__version__"}


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="a.js"></script><a href="https://a.example">x</a>', []),
        ('<link rel="canonical" href="https://a.example/">', []),
        ('<script src="https://a.example/a.js"></script>', ["https://a.example/a.js"]),
        ('<link rel="stylesheet" href="//a.example/a.css">', ["//a.example/a.css"]),
        ('<img srcset="http://a.example/a.png 2x">', ["http://a.example/a.png 2x"]),
        ("<style>a{b:url(https://a.example/f)}</style>", ["https://a.example/f"]),
        ("<style>@import 'https://a.example/f'</style>", ["https://a.example/f"]),
    ],
)  # fmt: skip
def test_what_comes_from_another_host_is_found(html, found, pages):
    assert pages.loaded_from_elsewhere(html) == found
