"""Work on a list by several processes, each with a tool of its own; answers come in the list's order."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

import cv2

from facetrust.errors import FacetrustError
from facetrust.runtime.scan.workers import end_with_parent

Tool = TypeVar("Tool")
Item = TypeVar("Item")
Answer = TypeVar("Answer")

_ROUNDS = 50  # Times that a process fetches work, where there is enough: few waits at the end, few messages.
_tools: list[Any] = []  # Of this process.


def by_processes(
    work: Callable[[Tool, Item], Answer],
    items: Sequence[Item],
    *,
    tool: Callable[[], Tool],
    workers: int,
) -> Iterator[Answer]:
    """Yields work(tool(), item) for every item, in order.

    Args:
        work: what can be pickled, as `tool` and the items can.
        tool: opens what a process needs for all its items, such as a detector; called once in each.
        workers: processes, which are spawned.

    Raises:
        FacetrustError: a process was ended.
    """
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(tool,)
    )
    try:
        chunk = max(1, len(items) // (workers * _ROUNDS))
        yield from pool.map(partial(_answer, work), items, chunksize=chunk)
    except BrokenProcessPool:
        raise FacetrustError(
            "a process was ended, perhaps for want of memory; run it again, it goes on"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(tool: Callable[[], object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The process that started this one ends it.
    threading.Thread(target=end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _tools.append(tool())


def _answer(work: Callable[[Any, Item], Answer], item: Item) -> Answer:
    return work(_tools[0], item)
