"""A catalogue of one tiny model, as files and behind a server on this machine that may misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept models, of this test alone; no proxy stands before the server of the test."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FACETRUST_MODELS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def published(write_model, tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder with a catalogue of the model `tiny`, and gives the catalogue's path."""
    source = write_model("tiny", name="tiny")

    def publish(**changes: Any) -> Path:
        place = tmp_path / "shelf"
        place.mkdir(exist_ok=True)
        model, card = source.read_bytes(), source.with_suffix(".json").read_bytes()
        (place / "tiny.onnx").write_bytes(model)
        (place / "tiny.json").write_bytes(card)
        entry = {
            "name": "tiny",
            "version": 1,
            "task": "antispoof",
            "file": "tiny.onnx",
            "size": len(model),
            "sha256": hashlib.sha256(model).hexdigest(),
            "card": "tiny.json",
            "card_sha256": hashlib.sha256(card).hexdigest(),
            "licence": "Apache-2.0",
            "terms": "made by hand",
        }
        file = place / "catalogue.json"
        file.write_text(json.dumps({"schema": "facetrust.catalogue/1", "models": [{**entry, **changes}]}))
        return file

    return publish


class Server(ThreadingHTTPServer):
    """Serves a folder by ranges. `asked`: (path, Range) of each request.

    cut: bytes after which the connection is closed, once. moved: path → where it redirects to. whole: ranges
    are not understood. shift: a range begins so many bytes late. silent: no length is announced.
    """

    daemon_threads = True
    folder: Path
    cut: int | None = None
    whole = False
    shift = 0
    silent = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        self.moved: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, self.headers["Range"]))
        if self.path in server.moved:
            self.send_response(302)
            self.send_header("Location", server.moved[self.path])
            self.end_headers()
            return
        file = server.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        found = re.match(r"bytes=(\d+)-$", self.headers["Range"] or "")
        start = int(found[1]) + server.shift if found and not server.whole else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if not server.silent:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if server.cut is not None and file.suffix == ".onnx":
            end, server.cut = start + server.cut, None
        self.wfile.write(content[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(published, tmp_path: Path) -> Iterator[Server]:
    """A server of the folder with the catalogue; its URL ends in a slash."""
    published()
    with Server(tmp_path / "shelf") as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield made
        made.shutdown()
