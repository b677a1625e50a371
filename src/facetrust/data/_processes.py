"""Work on a list by several processes, each with a detector of its own; answers come in the list's order."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2

from facetrust.errors import FacetrustError
from facetrust.faces.detector import Detector, open_detector
from facetrust.runtime.scan.workers import end_with_parent

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_ROUNDS = 50  # Times that a process fetches work, where there is enough: few waits at the end, few messages.
_detectors: list[Detector] = []  # Of this process.


def by_processes(
    work: Callable[[Detector, Item], Answer],
    items: Sequence[Item],
    *,
    detector: str | Path | None,
    workers: int,
) -> Iterator[Answer]:
    """Yields work(detector, item) for every item, in order.

    Args:
        work: what can be pickled.
        detector: the file of a YuNet; MTCNN without.
        workers: processes, which are spawned.

    Raises:
        FacetrustError: a process was ended.
    """
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(detector,)
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


def _begin(detector: str | Path | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The process that started this one ends it.
    threading.Thread(target=end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _detectors.append(open_detector(detector))


def _answer(work: Callable[[Detector, Item], Answer], item: Item) -> Answer:
    return work(_detectors[0], item)
