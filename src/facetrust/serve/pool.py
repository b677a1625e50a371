"""Threads that work, and a bounded number of places for the requests that wait for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from facetrust.serve.refusal import Refusal

Answer = TypeVar("Answer")

_AGAIN = {"Retry-After": "1"}


class Overdue(Exception):
    """The time for an answer has passed; raised inside the work, so that it ends."""


class Deadline:
    """When an answer must be there; work that takes long asks it now and then."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Returns the seconds that are left, at least 0."""
        return max(0.0, self._at - time.monotonic())

    def check(self, *_: object) -> None:
        """Raises `Overdue` where no time is left."""
        if not self.left():
            raise Overdue


class Pool:
    """A few threads, and places for as many requests and those that may wait.

    A place is held from before a request's body is read until the work for it has ended, also where nobody
    waits for the answer any more, so that memory and threads stay bounded. With API keys none of them may
    hold more than half of the places.

    Args:
        threads: that work.
        waiting: requests that may wait besides.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self.places = threads + waiting
        self.held = 0
        self._threads = threads
        self._lock = threading.Lock()
        self._of_clients: Counter[str] = Counter()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="facetrust-serve")

    @property
    def idle(self) -> bool:
        """Whether a thread is free and nobody waits for it."""
        return self.held < self._threads

    @contextmanager
    def place(self, client: str = "") -> Iterator[Place]:
        """Gives a place to a client, known by the name of its key if it has one.

        Raises:
            Refusal: all places are taken (503), or this client has its share of them (429).
        """
        held = Place(self, client)
        self._take(client)
        try:
            yield held
        finally:
            held.leave()

    def close(self) -> None:
        """Finishes what was accepted, and ends the threads."""
        self._executor.shutdown(wait=True)

    def submit(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Returns the future of work that a thread begins when one is free."""
        return self._executor.submit(work)

    def release(self, client: str) -> None:
        """Gives a place back."""
        with self._lock:
            self.held -= 1
            self._of_clients[client] -= 1
            if not self._of_clients[client]:
                del self._of_clients[client]

    def _take(self, client: str) -> None:
        with self._lock:
            if self.held >= self.places:
                raise Refusal(503, "all places are taken; try again in a second", _AGAIN)
            if client and self._of_clients[client] >= max(1, self.places // 2):
                raise Refusal(429, "too many requests by this key at once; try again in a second", _AGAIN)
            self.held += 1
            self._of_clients[client] += 1


class Place:
    """A request's place in a `Pool`: given back when the request is answered and its work has ended."""

    def __init__(self, pool: Pool, client: str) -> None:
        self._pool = pool
        self._client = client
        self._work: Future[object] | None = None

    async def run(self, work: Callable[[Deadline], Answer], seconds: float) -> Answer:
        """Returns what `work` returns, done in a thread; it is given the deadline to look at.

        Raises:
            Refusal: no answer within the time (503).
        """
        deadline = Deadline(seconds)

        def begun() -> Answer:
            deadline.check()
            return work(deadline)

        future: Future[Answer] = self._pool.submit(begun)
        self._work = future  # type: ignore[assignment]
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), deadline.left())
        except (TimeoutError, Overdue):
            raise Refusal(503, f"no answer within {seconds:g} seconds; it was given up", _AGAIN) from None

    def leave(self) -> None:
        """Gives the place back, now or when the work ends."""
        if self._work is None:
            self._pool.release(self._client)
        else:
            self._work.add_done_callback(lambda _: self._pool.release(self._client))
