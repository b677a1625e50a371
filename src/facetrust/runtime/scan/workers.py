"""Worker processes of one machine: each judges a part at a time; one that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from facetrust.errors import FacetrustError
from facetrust.runtime.scan.judging import Job, Judge, Judged, Part
from facetrust.runtime.scan.ledger import Ledger

_LOST = 3  # Workers that may die one after the other with nothing in hand.
_SPAWN = multiprocessing.get_context("spawn")


class WorkersLost(FacetrustError):
    """Workers die, and no input is to blame."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    part: Part | None = None


def judged_by_workers(
    job: Job, parts: Iterator[Part], ledger: Ledger, *, workers: int, moved: Callable[[], None] | None = None
) -> Iterator[Judged]:
    """Yields parts as they are judged by processes of this machine; a part is begun when a worker is free.

    Args:
        moved: called when something was looked at.

    Raises:
        OSError: a part cannot be written.
        FacetrustError: what a worker raised; or workers die with nothing in hand.
    """
    pool = _Pool(job, parts, ledger, moved or (lambda: None))
    try:
        yield from pool.run(workers)
    finally:
        pool.stop()


class _Pool:
    """The workers, and the parts that wait because theirs died."""

    def __init__(self, job: Job, parts: Iterator[Part], ledger: Ledger, moved: Callable[[], None]) -> None:
        self._job = job
        self._parts = parts
        self._again: list[Part] = []
        self._ledger = ledger
        self._moved = moved
        self._workers: list[_Worker] = []
        self._lost = 0

    def run(self, count: int) -> Iterator[Judged]:
        for _ in range(count):
            if (part := self._next()) is None:
                break
            self._start(part)
        while self._workers:
            pipes = {each.pipe: each for each in self._workers}
            for pipe in wait(list(pipes)):
                worker = pipes[pipe]  # type: ignore[index]
                try:
                    kind, *content = worker.pipe.recv()
                except (EOFError, OSError):
                    self._bury(worker)
                    continue
                if (judged := self._answer(worker, kind, content)) is not None:
                    yield judged

    def stop(self) -> None:
        """Ends the workers that are left."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self._workers = []

    def _answer(self, worker: _Worker, kind: str, content: Sequence[Any]) -> Judged | None:
        """Does what a worker asks for; returns the part that it has judged."""
        if kind == "error":
            raise content[0]
        if kind == "judged":
            self._lost = 0
            judged: Judged = content[0]
            self._ledger.finish(judged.part)
            worker.part = self._next()
            self._tell(worker, worker.part)
            if worker.part is None:
                self._leave(worker)
            return judged
        name, *given = content
        self._tell(worker, getattr(self._ledger, name)(*given))
        self._moved()
        return None

    def _next(self) -> Part | None:
        return self._again.pop() if self._again else next(self._parts, None)

    def _start(self, part: Part) -> None:
        mine, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(self._job, theirs), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, mine, part)
        self._workers.append(worker)
        self._tell(worker, part)

    def _tell(self, worker: _Worker, what: Any) -> None:
        with suppress(OSError):  # It has died, which its pipe says next.
            worker.pipe.send(what)

    def _bury(self, worker: _Worker) -> None:
        """Puts another worker in the place of one that died, with the same part."""
        part = worker.part
        code = self._leave(worker)
        if part is None:
            return
        self._lost = 0 if self._ledger.has_in_hand(part.number) else self._lost + 1
        if self._lost >= _LOST:
            raise WorkersLost(f"{_LOST} workers in a row ended with nothing in hand (exit status {code})")
        self._start(part)

    def _leave(self, worker: _Worker) -> int | None:
        self._workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        return worker.process.exitcode


class _RemoteLedger:
    """The ledger as a worker sees it: through a pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def _call(self, name: str, *given: Any) -> Any:
        self._pipe.send(("call", name, *given))
        return self._pipe.recv()


def _work(job: Job, pipe: Connection) -> None:
    """A worker: judges what it is given until that is None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The process that started it ends it.
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        judge = Judge(job, _RemoteLedger(pipe))
        while (part := pipe.recv()) is not None:
            pipe.send(("judged", judge.judge(part)))
    except (EOFError, ConnectionError):  # The process that started it is gone.
        return
    except (FacetrustError, OSError) as error:
        pipe.send(("error", error))


def end_with_parent() -> None:
    """Ends this process when the one that started it is gone, whatever it is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
