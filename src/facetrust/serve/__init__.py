"""The checks as a service: bytes in over HTTP and WebSocket, the command line's JSON out; the extra `serve`.

`facetrust.serve.settings` and `keys` need no extra; what answers requests is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facetrust.errors import MissingExtra

if TYPE_CHECKING:
    from fastapi import FastAPI

    from facetrust.serve.settings import Settings

_PACKAGES = {
    "fastapi": "fastapi",
    "starlette": "fastapi",
    "uvicorn": "uvicorn",
    "h11": "uvicorn",
    "websockets": "websockets",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Returns the service as an ASGI application, with its models open.

    Args:
        settings: loopback only, without keys or a gallery, if none are given.

    Raises:
        MissingExtra: a package of the extra `serve` is not installed.
        UsageError: a setting is out of range, or strangers could reach it without a key.
        ModelError: a model's file cannot be used.
    """
    try:
        from facetrust.serve.app import app_of
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    from facetrust.serve.settings import Settings

    return app_of(settings or Settings())


def run(settings: Settings) -> None:
    """Serves until it is told to stop (SIGINT, SIGTERM); what was accepted is finished.

    Raises:
        MissingExtra, UsageError, ModelError: as `create_app`; or the port is taken.
    """
    try:
        from facetrust.serve.server import run_server
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    run_server(settings)


def _missing(error: ModuleNotFoundError) -> Exception:
    """What to say of a package that is not there; the error itself where it is none of the extra's."""
    package = (error.name or "").partition(".")[0]
    return MissingExtra(_PACKAGES[package], "serve") if package in _PACKAGES else error
