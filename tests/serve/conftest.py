"""What the tests of the service share: one with its models open, its keys, and pictures."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from facetrust.serve import create_app
from facetrust.serve.server import server_of
from facetrust.serve.settings import Limits, Settings

HOME = "http://localhost"


def encoded(pixels: Any, kind: str = "PNG", **how: Any) -> bytes:
    """Returns pixels as the bytes of a picture."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, kind, **how)
    return file.getvalue()


@pytest.fixture(scope="session")
def portrait_png(photo: Path) -> bytes:
    """The bytes of the portrait."""
    return photo.read_bytes()


@pytest.fixture(scope="session")
def face_jpeg(photo: Path) -> bytes:
    """A small JPEG of the face alone, quickly looked at."""
    return encoded(np.asarray(Image.open(photo))[:300, 90:390], "JPEG", quality=95)


@pytest.fixture(scope="module")
def serving() -> Iterator[Callable[..., TestClient]]:
    """Starts services, whose settings and limits are given by name; gives a client of each."""
    running: list[TestClient] = []

    def start(limits: dict[str, Any] | None = None, **settings: Any) -> TestClient:
        app = create_app(Settings(limits=Limits(**(limits or {})), **settings))
        client = TestClient(app, base_url=HOME, raise_server_exceptions=False)
        client.__enter__()
        running.append(client)
        return client

    yield start
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def client(serving, tmp_path_factory) -> TestClient:
    """A client of a service with a gallery and without keys."""
    return serving(gallery=str(tmp_path_factory.mktemp("gallery") / "people.db"))


class Running:
    """A service on a port of this machine, in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.server = server_of(settings)
        self.desk = self.server.config.app.state.desk  # type: ignore[union-attr]
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self.server.started:
            assert self._thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def ask(self, method: str, path: str, **how: Any) -> httpx2.Response:
        """Returns the answer to a request."""
        return self._client.request(method, path, **how)

    def said(self, *parts: bytes | float, close: bool = False) -> bytes:
        """Returns all that is answered to raw bytes, numbers between them being seconds of silence."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as line:
            for part in parts:
                if isinstance(part, bytes):
                    try:
                        line.sendall(part)
                    except OSError:  # It is closed already, and says why below.
                        break
                else:
                    time.sleep(part)
            if close:
                return b""
            answer = b""
            try:
                while more := line.recv(65536):
                    answer += more
            except OSError:
                pass
            return answer

    def stop(self) -> None:
        """Ends it when what was accepted is answered."""
        self._client.close()
        self.server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def on_a_port() -> Iterator[Callable[..., Running]]:
    """Starts services on ports of this machine, whose settings and limits are given by name."""
    running: list[Running] = []

    def start(limits: dict[str, Any] | None = None, **settings: Any) -> Running:
        running.append(Running(Settings(port=0, limits=Limits(**(limits or {})), **settings)))
        return running[-1]

    yield start
    for each in running:
        each.stop()
