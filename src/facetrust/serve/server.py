"""The process that serves: uvicorn, with limits on connections, heads and frames, and its log."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from functools import partial
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

from facetrust.serve import create_app
from facetrust.serve.settings import Settings

HEAD_SECONDS = 10.0  # Until the head of a request has arrived.
_HEAD_BYTES = 16 * 1024
_ALIVE = 30  # Seconds without a sign of life after which one of several processes is replaced.
_FINISH = 120  # Seconds that accepted requests may take after the service was told to stop.


class PatientOnce(H11Protocol):
    """HTTP/1.1 that closes a connection whose next request has no whole head in time."""

    _waiting: asyncio.TimerHandle | None = None

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
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def run_server(settings: Settings) -> None:
    """Serves until it is told to stop; see `facetrust.serve.run`."""
    settings.check_reach()
    _log_to_stderr()
    if settings.processes > 1:
        # Read by prometheus_client when it is imported in each process.
        with tempfile.TemporaryDirectory(prefix="facetrust-metrics-") as shared:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
            config = _config(settings, partial(_app_in_process, settings), factory=True)
            Multiprocess(config, sockets=[config.bind_socket()]).run()
        return
    server_of(settings).run()


def server_of(settings: Settings) -> uvicorn.Server:
    """Returns a server of one process, which `run` starts.

    Raises:
        UsageError, ModelError: as `facetrust.serve.create_app`.
    """
    return uvicorn.Server(_config(settings, create_app(settings)))


def _config(settings: Settings, app: Any, *, factory: bool = False) -> uvicorn.Config:
    limits = settings.limits
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.INFO)  # What it tells beyond that are the messages themselves, keys among them.
    log.addFilter(_names_nobody)
    return uvicorn.Config(
        app,
        factory=factory,
        host=settings.host,
        port=settings.port,
        workers=settings.processes,
        http=PatientOnce,
        ws="websockets-sansio",
        ws_max_size=limits.frame_bytes,
        ws_max_queue=2,
        ws_per_message_deflate=False,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=_FINISH,
        timeout_worker_healthcheck=_ALIVE,
        server_header=False,
        proxy_headers=False,
        access_log=False,  # Its lines hold paths, and a path may hold a person's name.
        log_config=None,
    )


def _app_in_process(settings: Settings) -> Any:
    _log_to_stderr()
    return create_app(settings)


def _names_nobody(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's may be logged: not one of a WebSocket, with its address and query."""
    return "WebSocket" not in str(record.msg)


def _log_to_stderr() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
