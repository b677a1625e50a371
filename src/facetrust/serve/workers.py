"""Processes that judge, each with a `Service`; what one had in hand when it died is asked of another."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, cast

from facetrust.errors import FacetrustError, ModelError
from facetrust.records import ModelCard
from facetrust.runtime.scan.workers import end_with_parent
from facetrust.serve.guard import log, log_to_stderr, tell
from facetrust.serve.pool import Overdue
from facetrust.serve.refusal import Refusal
from facetrust.serve.service import Service
from facetrust.serve.settings import Settings

_TRIES = 2  # Processes that one request may cost.
_LATE = 5.0  # Seconds past its time after which a process that still works is ended.
_AGAIN = frozenset({"check", "check_with_evidence", "live", "see", "verify", "parse", "identify", "people"})
_ONCE = frozenset({"enroll", "forget"})  # They change something: nobody knows how far one came.
_SPAWN = multiprocessing.get_context("spawn")


class WorkFailed(Exception):
    """The service failed in its process, whose log says at what."""


class _Died(Exception):
    """A process is gone."""


class Workers:
    """As many processes as requests are judged at once; `service` asks one that is free.

    A request whose process dies is asked again, of another; one that has cost two of them is given up, and
    so is what changes the gallery. A process that is still at work long after its time is ended.

    Raises:
        UsageError, ModelError: as `Service`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._patience = settings.limits.work_seconds + _LATE
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        workers = [_Worker(settings) for _ in range(settings.at_work)]
        try:
            self.cards, *_ = [each.opened() for each in workers]
        except (FacetrustError, _Died) as error:
            for each in workers:
                each.end()
            if isinstance(error, _Died):
                raise ModelError("a process ended while it opened its models") from None
            raise
        for each in workers:
            self._free.put(each)
        atexit.register(self.close)  # They do not hear SIGTERM, by which others are ended at the exit.

    @property
    def service(self) -> Service:
        """What is asked as a `Service` is."""
        return cast("Service", self)

    def __getattr__(self, name: str) -> Any:
        if name not in _AGAIN | _ONCE:
            raise AttributeError(name)
        return partial(self._ask, name)

    def warm(self) -> None:
        """Nothing is left to do: each process has asked everything once before it says that it is open."""

    def close(self) -> None:
        """Ends the processes that are not at work."""
        atexit.unregister(self.close)
        while not self._free.empty():
            self._free.get().end()

    def _ask(self, name: str, *given: Any, **more: Any) -> Any:
        for _ in range(1 if name in _ONCE else _TRIES):
            worker = self._free.get()
            try:
                if not worker.alive:  # It died with nothing in hand, which is nobody's fault who asks now.
                    worker = self._in_place_of(worker, "no request")
                return worker.ask(name, given, more, self._patience)
            except _Died:
                worker = self._in_place_of(worker, name)
            except Overdue:
                if not worker.alive:
                    worker = self._in_place_of(worker, name)
                raise
            finally:
                self._free.put(worker)
        if name in _ONCE:
            line = "the process that was at this ended; look whom the gallery holds, and ask again"
            raise Refusal(503, line)
        raise Refusal(503, f"{_TRIES} processes ended at this request; it was given up")

    def _in_place_of(self, gone: _Worker, name: str) -> _Worker:
        log.error("the process at %s ended (%s); another takes its place", name, gone.end())
        return _Worker(self._settings)


class _Worker:
    """A process, which opens its models at once, and the pipe to it; for one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_work, args=(settings, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._cards: list[ModelCard] | None = None

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def opened(self) -> list[ModelCard]:
        """Waits until its models are open, and returns their cards."""
        if self._cards is None:
            self._cards = self._answer()
        return self._cards

    def ask(self, name: str, given: Sequence[Any], more: Mapping[str, Any], patience: float) -> Any:
        """Returns what its service returns; raises what that raises.

        Raises:
            _Died: it is gone.
            Overdue: no answer within `patience` seconds; it was ended.
        """
        self.opened()
        try:
            self._pipe.send((name, given, more))
        except OSError:
            raise _Died from None
        if not self._pipe.poll(patience):
            self._process.kill()
            self._process.join()
            raise Overdue
        return self._answer()

    def end(self) -> int | None:
        """Ends it, and returns its exit status."""
        self._pipe.close()
        self._process.join(_LATE)
        self._process.kill()
        self._process.join()
        return self._process.exitcode

    def _answer(self) -> Any:
        try:
            answer, error = self._pipe.recv()
        except (EOFError, OSError):
            raise _Died from None
        if error is not None:
            raise error
        return answer


def _work(settings: Settings, pipe: Connection) -> None:
    """A process: answers what it is asked until its pipe is closed."""
    for each in (signal.SIGINT, signal.SIGTERM):  # Whoever started it ends it, when it has answered.
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    log_to_stderr()
    try:
        try:
            service = Service(settings)
        except FacetrustError as error:
            pipe.send((None, error))
            return
        service.warm()
        pipe.send((service.cards, None))
        while True:
            name, given, more = pipe.recv()
            pipe.send(_answered(service, name, given, more))
    except (EOFError, OSError):  # Nobody asks any more.
        return


def _answered(
    service: Service, name: str, given: Sequence[Any], more: Mapping[str, Any]
) -> tuple[Any, Exception | None]:
    """What the service returns, or what it raises."""
    try:
        return getattr(service, name)(*given, **more), None
    except (Refusal, Overdue) as error:
        return None, error
    except Exception as error:
        tell(error)
        return None, WorkFailed()
