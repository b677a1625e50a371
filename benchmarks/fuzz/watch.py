"""The process that reads files, watched from outside: one that dies or takes too long is replaced."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

LIMIT = 60.0  # Seconds for one file; a model alone may take 20 for its first answer.
READY = "ready"


def outcomes(
    work: Callable[[Any, str, int, str], None], kind: str, seed: int, count: int, *, limit: float = LIMIT
) -> Iterator[tuple[int, str, int]]:
    """Yields each file's number, its outcome, and the peak memory so far in bytes.

    Args:
        work: is given a pipe, the kind, the seed and a folder; sends `READY`, then for each number that comes
            an outcome and its peak memory.
        limit: seconds that one file may take.
    """
    context = multiprocessing.get_context("spawn")
    number = 0
    while number < count:
        ours, theirs = context.Pipe()
        with tempfile.TemporaryDirectory(prefix="facetrust-fuzz-") as folder:
            worker = context.Process(target=work, args=(theirs, kind, seed, folder), daemon=True)
            worker.start()
            theirs.close()
            try:
                if (said := ours.recv()) != READY:
                    raise RuntimeError(said)
                while number < count:
                    number += 1
                    ours.send(number)
                    if not ours.poll(limit):
                        yield number, f"hang: more than {limit:g} seconds", 0
                        break
                    yield number, *ours.recv()
            except (EOFError, ConnectionError):
                worker.join()
                yield number, f"died: exit code {worker.exitcode}", 0
            finally:
                worker.kill()
                worker.join()
