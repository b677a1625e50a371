"""Judges one part of a scan: reads ahead, judges in batches, and writes the part beside its place."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2

from facetrust.errors import first_line
from facetrust.records import CheckReport
from facetrust.runtime.checker import Checker
from facetrust.runtime.pictures import Failure
from facetrust.runtime.scan.ledger import Suspects
from facetrust.runtime.scan.reading import UNREADABLE, Read, Reader
from facetrust.runtime.scan.rows import Form, Row, duplicate, failed, rows_of, write_rows
from facetrust.runtime.scan.sources import Input
from facetrust.runtime.scan.tally import Tally

BATCH = 8  # Pictures whose faces go through a model together; `check` takes as many.
CRASH, ERROR = "crash", "error"
STAGED = "."  # How files begin that are not in their place yet.
_READERS = 4  # Threads that read the next batch meanwhile; a bucket answers slowly.


class Part(NamedTuple):
    """Inputs of a scan that are judged and written together: from byte `offset` of the listing on."""

    number: int
    first: int
    size: int
    offset: int


class Job(NamedTuple):
    """What a worker is told once: how a checker is opened, what is asked, the listing, and where to write."""

    open_checker: Callable[[], Checker]
    tasks: tuple[str, ...]
    listing: Path
    folder: Path
    forms: tuple[Form, ...]


class Judged(NamedTuple):
    """A part that was judged: the files written for it, by their last names, and what was counted."""

    part: int
    staged: dict[str, str]
    tally: dict[str, Any]


class Asked(Protocol):
    """What a worker asks of the ledger."""

    def begin(self, part: int, inputs: Sequence[int]) -> Suspects:
        """See `Ledger.begin`."""

    def at(self, part: int, inputs: Sequence[int], looked_at: int) -> None:
        """See `Ledger.at`."""

    def claim(self, hashes: Sequence[tuple[str, int]]) -> list[int]:
        """See `Ledger.claim`."""


Numbered = tuple[int, Input]


class Judge:
    """A worker's checker, opened once, and what it needs to judge parts."""

    def __init__(self, job: Job, ledger: Asked) -> None:
        self._job = job
        self._ledger = ledger
        self._reader = Reader()
        cv2.setNumThreads(1)  # Workers share the cores; each takes one.
        self._checker = job.open_checker()
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="facetrust-read")

    def judge(self, part: Part) -> Judged:
        """Judges a part, and writes its files under names that begin with a dot.

        Raises:
            OSError: a file cannot be written; the error has its last name.
        """
        begun = time.perf_counter(), time.process_time()
        inputs = _listed(self._job.listing, part)
        suspects = self._ledger.begin(part.number, [number for number, _ in inputs])
        tally, rows = Tally(), list[Row]()
        for number, each in inputs:
            if number in suspects.poison:
                rows.append(
                    _counted(tally, number, each.name, CRASH, f"{each.name}: ended its process twice")
                )
        self._judge_batches(part, _batches(inputs, suspects), rows, tally)
        rows.sort(key=lambda row: row["input"])
        tally.add_seconds("wall", time.perf_counter() - begun[0])
        tally.add_seconds("cpu", time.process_time() - begun[1])
        return Judged(part.number, self._write(part, rows), tally.to_dict())

    def _judge_batches(
        self, part: Part, batches: Sequence[Sequence[Numbered]], rows: list[Row], tally: Tally
    ) -> None:
        """Judges batches; of several inputs, the next ones are read meanwhile."""
        ahead: list[Future[Read]] = []
        looked_at = 0
        for place, batch in enumerate(batches):
            following = batches[place + 1] if place + 1 < len(batches) else ()
            if len(batch) == 1 or len(following) == 1:
                following = ()  # What is suspected is in hand alone.
            in_hand = [number for number, _ in (*batch, *following)]
            self._ledger.at(part.number, in_hand, looked_at)
            read = [each.result() for each in ahead or self._reading(batch)]
            ahead = self._reading(following)
            self._judge_batch(batch, read, rows, tally)
            looked_at = len(batch)
        self._ledger.at(part.number, (), looked_at)

    def _reading(self, batch: Sequence[Numbered]) -> list[Future[Read]]:
        return [self._pool.submit(self._reader.read, each) for _, each in batch]

    def _judge_batch(
        self, batch: Sequence[Numbered], read: Sequence[Read], rows: list[Row], tally: Tally
    ) -> None:
        hashes = [(got.sha256, number) for (number, _), got in zip(batch, read, strict=True) if got.sha256]
        owners = dict(zip((number for _, number in hashes), self._ledger.claim(hashes), strict=True))
        mine: list[tuple[int, Input, Read]] = []
        for (number, each), got in zip(batch, read, strict=True):
            tally.add_seconds("read", got.seconds)
            if got.sha256 is None:
                kind, reason = got.failure or UNREADABLE, got.reason or ""
                rows.append(_counted(tally, number, each.name, kind, reason))
            elif owners[number] != number:
                tally.add_duplicate()
                rows.append(duplicate(number, each.name, got.sha256, owners[number]))
            else:
                mine.append((number, each, got))
        for (number, each, got), result in zip(mine, self._results(mine), strict=True):
            if isinstance(result, CheckReport):
                tally.add_report(result)
                rows += rows_of(number, got.sha256, result.model_copy(update={"source": each.name}))
            else:
                rows.append(_counted(tally, number, each.name, *result, sha256=got.sha256))

    def _results(self, mine: Sequence[tuple[int, Input, Read]]) -> Iterator[CheckReport | tuple[str, str]]:
        """A report of each, or the kind of its failure and why."""
        sources = [got.source for _, _, got in mine]
        try:
            results = list(self._checker.check_many(sources, batch=BATCH, readers=0))
        except Exception as error:  # Of one of them; the others are judged all the same.
            if len(mine) == 1:
                yield ERROR, f"{mine[0][1].name}: {type(error).__name__}: {first_line(error)}"
                return
            for one in mine:
                yield from self._results([one])
            return
        for result in results:
            yield (UNREADABLE, str(result.error)) if isinstance(result, Failure) else result

    def _write(self, part: Part, rows: Sequence[Row]) -> dict[str, str]:
        """Writes a part's files; returns for each its last name and the one that it has until then."""
        staged = {}
        for form in self._job.forms:
            last = file_of(part.number, form)
            name = f"{STAGED}{secrets.token_hex(4)}.{last}"
            try:
                write_rows(self._job.folder / name, rows, self._job.tasks)
            except OSError as error:
                error.filename = str(self._job.folder / last)
                raise
            staged[last] = name
        return staged


def file_of(part: int, form: Form) -> str:
    """Returns the name of a part's file."""
    return f"{part:06}.{form}"


def _counted(
    tally: Tally, number: int, name: str, kind: str, reason: str, *, sha256: str | None = None
) -> Row:
    """The row of an input that was not judged, which is counted."""
    reason = " ".join(reason.split())
    tally.add_failure(kind, name, reason)
    return failed(number, name, kind, reason, sha256)


def _listed(listing: Path, part: Part) -> list[Numbered]:
    with listing.open("rb") as file:
        file.seek(part.offset)
        return [(part.first + place, Input.from_line(file.readline())) for place in range(part.size)]


def _batches(inputs: Sequence[Numbered], suspects: Suspects) -> list[list[Numbered]]:
    """Batches of inputs; what was in hand when a worker died is alone, what is poison is left out."""
    good = [each for each in inputs if each[0] not in (*suspects.poison, *suspects.suspected)]
    alone = [[each] for each in inputs if each[0] in suspects.suspected]
    return alone + [good[first : first + BATCH] for first in range(0, len(good), BATCH)]
