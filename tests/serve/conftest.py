"""What the tests of the service share: one with its models open, its keys, and pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from facetrust.serve import create_app
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
