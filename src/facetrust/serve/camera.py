"""A camera over a WebSocket: frames in, a report per judged frame out; a busy service drops frames.

The first message is JSON text, a `CameraQuery`; the answer to it is `{"ready": true}`. Then each message is a
picture, such as a JPEG, and each answer a `Frame`. A line `{"error": …}` without a number ends it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from facetrust.runtime.live import LiveState
from facetrust.serve.answers import CameraQuery, Frame
from facetrust.serve.desk import Desk, first_fault
from facetrust.serve.guard import log
from facetrust.serve.refusal import Refusal

router = APIRouter()

_PATIENCE = 30.0  # Seconds without a frame, after which a camera is let go.
_FIRST = 5.0  # Seconds until the first message.
_RECENT = 8  # Frames over which the rate is taken.
_REFUSED, _BUSY = 1008, 1013  # Codes of a WebSocket that is closed.


@router.websocket("/v1/camera")
async def camera(socket: WebSocket) -> None:
    """Judges the frames of one camera until it is closed."""
    desk: Desk = socket.app.state.desk
    await socket.accept()
    try:
        asked = await _first(socket)
        key = f"Bearer {asked.key}" if asked.key else None
        client = desk.client(socket, key, "check")
        with _one_more(desk):
            with desk.pool.place(client) as place:
                state = await place.run(
                    lambda _: desk.service.live(asked.tasks, asked.policy), desk.settings.limits.work_seconds
                )
            await socket.send_text('{"ready": true}')
            await _Session(socket, desk, key, asked, state).run()
    except Refusal as refused:
        await _end(socket, refused)
    except (WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed while we answered.
        return


class _Session:
    """One camera: at most one frame of it is judged at a time, and none waits."""

    def __init__(
        self, socket: WebSocket, desk: Desk, key: str | None, asked: CameraQuery, state: LiveState
    ) -> None:
        self._socket = socket
        self._desk = desk
        self._key = key
        self._asked = asked
        self._state = state
        self._frames = 0
        self._dropped = 0
        self._judged: deque[float] = deque(maxlen=_RECENT)
        self._work: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Reads frames as they come, for as long as the key is known."""
        try:
            while True:
                async with asyncio.timeout(_PATIENCE):
                    data = await self._socket.receive_bytes()
                self._frames += 1
                client = self._desk.client(self._socket, self._key, "check")
                if self._busy():
                    self._dropped += 1
                    self._desk.metrics.frames.labels("dropped").inc()
                else:
                    self._work = asyncio.create_task(
                        self._answer(data, self._frames, time.monotonic(), client)
                    )
        except TimeoutError:
            raise Refusal(408, f"no frame came for {_PATIENCE:g} seconds") from None
        except KeyError:  # A message of text.
            raise Refusal(400, "a frame is a binary message that holds a picture") from None
        finally:
            log.info("WS /v1/camera %d frames, %d dropped", self._frames, self._dropped)
            if self._work is not None:
                await asyncio.gather(self._work, return_exceptions=True)

    def _busy(self) -> bool:
        return (self._work is not None and not self._work.done()) or not self._desk.pool.idle

    async def _answer(self, data: bytes, number: int, at: float, client: str) -> None:
        limits = self._desk.settings.limits
        report = error = None
        try:
            with self._desk.pool.place(client) as place:
                report, self._state = await place.run(
                    lambda _: self._desk.service.see(
                        self._state, data, at, tasks=self._asked.tasks, policy=self._asked.policy
                    ),
                    limits.work_seconds,
                )
            self._judged.append(at)
        except Refusal as refused:
            error = refused.line
        self._desk.metrics.frames.labels("judged" if report else "refused").inc()
        said = Frame(frame=number, dropped=self._dropped, rate=self._rate(), report=report, error=error)
        await self._socket.send_text(said.model_dump_json(by_alias=True))

    def _rate(self) -> float:
        """Frames judged a second, over the last few."""
        span = self._judged[-1] - self._judged[0] if self._judged else 0.0
        return round((len(self._judged) - 1) / span, 2) if span else 0.0


async def _first(socket: WebSocket) -> CameraQuery:
    try:
        async with asyncio.timeout(_FIRST):
            return CameraQuery.model_validate_json(await socket.receive_text())
    except TimeoutError:
        raise Refusal(408, f"no first message came within {_FIRST:g} seconds") from None
    except KeyError:
        raise Refusal(400, "the first message is JSON text: key, tasks, policy") from None
    except ValidationError as error:
        raise Refusal(422, first_fault(error.errors())) from None


@contextmanager
def _one_more(desk: Desk) -> Iterator[None]:
    """Counts a camera while it is connected."""
    most = desk.settings.limits.cameras
    if desk.cameras >= most:
        raise Refusal(503, f"{most} cameras are connected, which is the limit")
    desk.cameras += 1
    desk.metrics.cameras.inc()
    try:
        yield
    finally:
        desk.cameras -= 1
        desk.metrics.cameras.dec()


async def _end(socket: WebSocket, refused: Refusal) -> None:
    try:
        await socket.send_text(json.dumps({"error": refused.line}))
        await socket.close(_BUSY if refused.status == 503 else _REFUSED)
    except (WebSocketDisconnect, RuntimeError):
        return
