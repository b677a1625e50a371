"""What the site needs beyond docs/: pages of the root, the Python reference, and a look at what was built.

MkDocs calls the functions whose names begin with `on_`.
"""

from __future__ import annotations

import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
PROJECT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
# Elements that load what they name, where an <a> only leads there.
_LOADS = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "video"}


def on_config(config: Any) -> Any:
    """Makes anchors as GitHub does, so that a link holds in both."""
    from pymdownx.slugs import slugify

    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that do not lie in docs/."""
    from mkdocs.structure.files import File

    for name in PROJECT:
        text = relinked((ROOT / name).read_text("utf-8"), name)
        files.append(File.generated(config, str(site_path(name)), content=text))
    files.append(File.generated(config, "reference.md", content=reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leads links out of docs/ to the pages that stand for those files."""
    return relinked(markdown, f"docs/{page.file.src_uri}")


def on_post_build(config: Any) -> None:
    """Checks that no page loads anything from another host.

    Raises:
        PluginError: one does.
    """
    from mkdocs.exceptions import PluginError

    site = Path(config.site_dir)
    found = [
        f"{path.relative_to(site)}: {address}"
        for path in sorted(site.rglob("*.html"))
        for address in loaded_from_elsewhere(path.read_text("utf-8"))
    ]
    if found:
        raise PluginError(f"loaded from another host: {', '.join(found)}")


def site_path(path: str) -> str | None:
    """Returns where in the site a file of the repository stands; None where it has no place there."""
    if path in PROJECT:
        return f"project-{path.lower()}"
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def relinked(markdown: str, source: str) -> str:
    """Returns the text of the file `source` of the repository with its links as they are in the site.

    Of a link to a file that has no place there, such as a program, its words are left.
    """
    here = posixpath.dirname(site_path(source) or "")

    def moved(found: re.Match[str]) -> str:
        words, link, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
        target = site_path(path)
        if target is not None:
            return f"[{words}]({posixpath.relpath(target, here or '.')}{anchor})"
        return words if (ROOT / path).exists() else found[0]

    return _LINK.sub(moved, markdown)


def reference() -> str:
    """Returns the page of all public names; their docstrings are read when it is built."""
    import facetrust

    names = [name for name in facetrust.__all__ if not name.startswith("_")]
    head = (
        "# Python\n\nWhat `import facetrust` gives, from the docstrings. How it is used: [api.md](api.md).\n"
    )
    return head + "".join(f"\n::: facetrust.{name}\n" for name in names)


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in _LOADS and named.get("rel") not in ("canonical", "next", "prev"):
            values = (named.get(name) or "" for name in ("src", "href", "data", "srcset", "poster"))
            self.addresses += [value for value in values if re.match(r"(\w+:)?//", value)]


def loaded_from_elsewhere(html: str) -> list[str]:
    """Returns the addresses on other hosts that a page loads by itself, in its elements or its styles."""
    parser = _Loaded()
    parser.feed(html)
    return parser.addresses + re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", html)
