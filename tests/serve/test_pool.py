"""Places and threads: how many are let in, who is refused, and what happens to work that is late."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from facetrust.serve.pool import Deadline, Overdue, Pool
from facetrust.serve.refusal import Refusal


@pytest.fixture
def pool():
    made = Pool(1, 3)
    yield made
    made.close()


def test_a_place_more_than_there_are_is_refused(pool):
    places = [pool.place() for _ in range(4)]
    for each in places:
        each.__enter__()
    assert pool.held == 4
    with pytest.raises(Refusal) as refused, pool.place():
        pass
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    places[0].__exit__(None, None, None)
    with pool.place():
        assert pool.held == 4
    for each in places[1:]:
        each.__exit__(None, None, None)
    assert pool.held == 0


def test_one_key_has_at_most_half_of_the_places(pool):
    with pool.place("a"), pool.place("a"):
        with pytest.raises(Refusal) as refused, pool.place("a"):
            pass
        assert refused.value.status == 429
        with pool.place("b"):
            assert pool.held == 3
    with pool.place("a"):
        assert pool.held == 1


def test_work_is_done_in_a_thread_and_its_errors_come_back(pool):
    async def ask(work):
        with pool.place() as place:
            return await place.run(work, 5)

    assert asyncio.run(ask(lambda _: threading.current_thread().name)).startswith("facetrust-serve")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask(lambda _: 1 / 0))
    assert pool.held == 0


def test_a_place_is_held_until_late_work_has_ended(pool):
    go_on = threading.Event()

    async def ask():
        with pool.place() as place:
            await place.run(lambda _: go_on.wait(5), 0.05)

    with pytest.raises(Refusal) as refused:
        asyncio.run(ask())
    assert (refused.value.status, refused.value.line) == (
        503,
        "no answer within 0.05 seconds; it was given up",
    )
    assert pool.held == 1
    assert not pool.idle
    go_on.set()
    deadline = time.monotonic() + 5
    while pool.held and time.monotonic() < deadline:
        time.sleep(0.001)
    assert pool.held == 0
    assert pool.idle


def test_work_that_waits_too_long_is_never_begun(pool):
    begun = []
    go_on = threading.Event()

    async def ask():
        with pool.place() as first, pool.place() as second:
            slow = asyncio.ensure_future(first.run(lambda _: go_on.wait(5), 5))
            await asyncio.sleep(0)  # So that it is begun first.
            with pytest.raises(Refusal):
                await second.run(lambda _: begun.append(1), 0.05)
            go_on.set()
            await slow

    asyncio.run(ask())
    pool.close()
    assert begun == []


def test_a_deadline_is_kept_by_work_that_asks():
    Deadline(5).check("video", 1, 2)
    assert 4 < Deadline(5).left() <= 5
    with pytest.raises(Overdue):
        Deadline(0).check()
