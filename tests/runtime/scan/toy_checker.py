"""A checker that answers by what is written in a file, and notes every file that it is given; see `conftest`.

`good`, `bad` and `none` are a face that is trusted, one that is not, and no face; `two` are two faces. `kill`
ends the process, `once` does so the first time, `raise` is an error of the program's own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from facetrust.errors import ImageError
from facetrust.records import CheckReport, Face, Verdict
from facetrust.runtime.pictures import Failure

TASK = "toy"


class ToyChecker:
    """Answers as a `Checker` does; `notes` is the file that it writes names into."""

    def __init__(self, notes: Path, delay: float = 0.0) -> None:
        self.notes = notes
        self.delay = delay
        model = SimpleNamespace(
            name="toy@1",
            fingerprint="0" * 64,
            card=SimpleNamespace(sha256="0" * 64),
            threshold=0.5,
            task=SimpleNamespace(output="score"),
        )
        self.models = {TASK: model}
        self.detector = None
        self.search = (40, 2000)
        self.quality_gate = True

    def check_many(self, sources: Iterable[Any], **_: Any) -> Iterator[CheckReport | Failure]:
        return (self._answer(source.name, source.data.decode().split()[0]) for source in sources)

    def _answer(self, name: str, word: str) -> CheckReport | Failure:
        before = self.notes.read_text().split() if self.notes.exists() else []
        with self.notes.open("a") as file:
            file.write(f"{Path(name).name}\n")
        time.sleep(self.delay)
        if word == "kill" or (word == "once" and Path(name).name not in before):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "raise":
            raise ValueError("a bug\nof two lines")
        if word == "broken":
            return Failure(name, ImageError(f"{name}: is broken"))
        scores = {"good": [0.1], "bad": [0.9], "two": [0.2, 0.3], "once": [0.1]}.get(word, [])
        faces = tuple(
            Face(box=(0, 0, 9, 9), points=(), confidence=1.0, verdicts=(verdict_of(score),))
            for score in scores
        )
        trusted = None if not faces else word != "bad"
        return CheckReport(source=name, size=(9, 9), trusted=trusted, faces=faces, timings={"decode": 0.5})


class Opener(NamedTuple):
    """Opens the checker in a worker."""

    notes: Path
    delay: float = 0.0

    def __call__(self) -> ToyChecker:
        return ToyChecker(self.notes, self.delay)


def verdict_of(score: float) -> Verdict:
    decision = "attack" if score >= 0.5 else "bona fide"
    return Verdict(task=TASK, score=score, threshold=0.5, decision=decision, model="toy@1")
