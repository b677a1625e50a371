"""What stands around every route: whose page may ask, safe headers, one line on failure, and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facetrust.serve.metrics import Metrics
from facetrust.serve.refusal import Refusal
from facetrust.serve.settings import is_loopback

log = logging.getLogger("facetrust.serve")


def log_to_stderr() -> None:
    """Lets this process write its log where a service manager reads it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)


_CONTENT = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LINGER = 0.5  # Seconds that what is left of a refused body is read for, so that the answer arrives.


class Guard:
    """Middleware around the whole application.

    Without API keys, only pages and programs of this machine may ask: the `Host` must be this machine's, so
    that no foreign name leads here. With or without, a page of another origin is refused.

    Args:
        app: what is guarded.
        local: whether there are no API keys.
        metrics: counts every answer.
    """

    def __init__(self, app: ASGIApp, *, local: bool, metrics: Metrics) -> None:
        self._app = app
        self._local = local
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request in, or answers it."""
        if scope["type"] == "http":
            await _Exchange(scope, receive, send, self._metrics).run(self._app, self._stranger(scope))
        elif scope["type"] == "websocket" and self._stranger(scope):
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    def _stranger(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._local and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return Refusal(403, "without API keys only this machine is answered, by the name localhost")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Refusal(403, "a page of another origin may not ask")
        return None


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, metrics: Metrics) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._metrics = metrics
        self._begun = time.perf_counter()
        self._status = 0
        self._whole = False  # Whether the body has been read to its end.

    async def run(self, app: ASGIApp, refusal: Refusal | None) -> None:
        """Answers, whatever happens."""
        try:
            if refusal is not None:
                raise refusal
            await app(self._scope, self._read, self._answer)
        except Refusal as refused:
            await self._refuse(refused.status, refused.line, refused.headers)
        except Exception as error:
            tell(error)
            await self._refuse(500, "this request failed; see the server's log", {})
        finally:
            self._note()

    async def _read(self) -> Message:
        message = await self._receive()
        self._whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            if self._scope["path"].startswith("/v1/"):
                headers["Cache-Control"] = "no-store"
            if self._status >= 400 and not self._whole and self._has_body():
                headers["Connection"] = "close"
                await self._linger()
        await self._send(message)

    def _has_body(self) -> bool:
        headers = Headers(scope=self._scope)
        return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(_LINGER):
                while not self._whole:
                    await self._read()
        except TimeoutError:
            pass

    async def _refuse(self, status: int, line: str, headers: Mapping[str, str]) -> None:
        if self._status:  # It has been answered already, in part.
            return
        body = json.dumps({"error": line}).encode()
        kept = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in kept.items()]
        await self._answer({"type": "http.response.start", "status": status, "headers": raw})
        await self._answer({"type": "http.response.body", "body": body})

    def _note(self) -> None:
        """Counts and logs the answer by its route, for a path may hold a person's name."""
        seconds = time.perf_counter() - self._begun
        route = getattr(self._scope.get("route"), "path", None) or "other"
        method = self._scope["method"] if self._scope["method"].isalpha() else "other"
        self._metrics.requests.labels(method, route, self._status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        log.info("%s %s %d %.0f ms", method, route, self._status, 1000 * seconds)


def tell(error: Exception) -> None:
    """Logs what failed and where; not its message, which may hold a name."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames[:-6:-1])
    log.error("%s at %s", type(error).__name__, where)
