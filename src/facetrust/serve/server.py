"""The process that serves: uvicorn, with limits on connections, heads and frames, and its log."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from functools import partial
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from facetrust.errors import UsageError
from facetrust.serve import create_app
from facetrust.serve.guard import log, log_to_stderr
from facetrust.serve.settings import Settings

_HEAD_BYTES = 16 * 1024
_BACKLOG = 512  # Connections that wait to be accepted.
_FINISH = 120  # Seconds that accepted requests may take after the service was told to stop.


class TimedHeads(H11Protocol):
    """HTTP/1.1 that closes a connection whose next request has no whole head within some seconds."""

    _waiting: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, head_seconds: float, **more: Any) -> None:
        super().__init__(*given, **more)
        self._head_seconds = head_seconds

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """Begins to wait for the next one."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(self._head_seconds, self._give_up)

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def run_server(settings: Settings) -> None:
    """Serves until it is told to stop; see `facetrust.serve.run`."""
    settings.check_reach()
    settings.tls()
    log_to_stderr()
    with _listener(settings) as listener:
        server_of(settings).run(sockets=[listener])


def _listener(settings: Settings) -> socket.socket:
    """A socket at the settings' address."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"--host {settings.host} --port {settings.port}"
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UsageError(f"{where}: cannot be listened on ({why})") from None
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.tls_cert else "http"
    log.info("facetrust serves on %s://%s:%d", scheme, shown, made.getsockname()[1])
    return made


def server_of(settings: Settings) -> uvicorn.Server:
    """Returns the server, which `run` starts.

    Raises:
        UsageError, InputError, ModelError: as `facetrust.serve.create_app` and `Settings.tls`.
    """
    app = create_app(settings)
    limits = settings.limits
    cert, key = settings.tls() or (None, None)
    theirs = logging.getLogger("uvicorn.error")
    theirs.setLevel(logging.INFO)  # What it tells beyond that are the messages themselves, keys among them.
    theirs.addFilter(_names_nobody)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ssl_certfile=cert,
        ssl_keyfile=key,
        http=cast("Any", partial(TimedHeads, head_seconds=limits.head_seconds)),
        ws="websockets-sansio",
        ws_max_size=limits.frame_bytes,
        ws_max_queue=2,
        ws_per_message_deflate=False,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=_FINISH,
        server_header=False,
        proxy_headers=False,
        access_log=False,  # Its lines hold paths, and a path may hold a person's name.
        log_config=None,
    )
    return uvicorn.Server(config)


def _names_nobody(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's may be logged: not one of a WebSocket, with its address and query."""
    return "WebSocket" not in str(record.msg)
