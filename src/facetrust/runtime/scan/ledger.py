"""What workers must agree on: who judges which bytes, and what a worker had in hand when it died."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TRIES = 2  # Deaths of a worker that an input may have been in hand of, before it is not tried again.


class Suspects(NamedTuple):
    """Of a part: inputs that a worker had in hand when it died, and those that are not tried again."""

    suspected: tuple[int, ...]
    poison: tuple[int, ...]


class Ledger:
    """Kept by one process of a scan, and asked by its workers.

    Hashes lie in a temporary database of SQLite that spills to the disk, so that memory stays flat.

    Args:
        judged: hashes of bytes in finished parts, and the input that was judged for each.
    """

    def __init__(self, judged: Iterable[tuple[str, int]] = ()) -> None:
        self._seen = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._seen.execute("create table seen (hash blob primary key, input integer) without rowid")
        self.know(judged)
        self._in_hand: dict[int, tuple[int, ...]] = {}
        self._deaths: Counter[int] = Counter()
        self._looked_at: dict[int, int] = {}

    @property
    def looked_at(self) -> int:
        """How many inputs of parts that are not finished were looked at."""
        return sum(self._looked_at.values())

    def has_in_hand(self, part: int) -> bool:
        """Whether the worker of a part has inputs in hand, or had when it died."""
        return bool(self._in_hand.get(part))

    def know(self, judged: Iterable[tuple[str, int]]) -> None:
        """Notes hashes of finished parts, and the input that was judged for each."""
        rows = ((bytes.fromhex(sha256), number) for sha256, number in judged)
        self._seen.execute("begin")
        self._seen.executemany("insert or ignore into seen values (?, ?)", rows)
        self._seen.execute("commit")

    def begin(self, part: int, inputs: Sequence[int]) -> Suspects:
        """Notes that a worker begins a part; one that was begun before has lost its worker."""
        for number in self._in_hand.pop(part, ()):
            self._deaths[number] += 1
        self._looked_at[part] = 0
        mine = [number for number in inputs if number in self._deaths]
        poison = tuple(number for number in mine if self._deaths[number] >= TRIES)
        return Suspects(tuple(number for number in mine if number not in poison), poison)

    def at(self, part: int, inputs: Sequence[int], looked_at: int) -> None:
        """Notes which inputs a worker has in hand, and how many more it has finished with."""
        self._in_hand[part] = tuple(inputs)
        self._looked_at[part] += looked_at

    def claim(self, hashes: Sequence[tuple[str, int]]) -> list[int]:
        """Returns for each (hash, input) which input is judged for these bytes: the first that asked."""
        owners = []
        self._seen.execute("begin")
        for sha256, number in hashes:
            key = bytes.fromhex(sha256)
            self._seen.execute("insert or ignore into seen values (?, ?)", (key, number))
            owners += self._seen.execute("select input from seen where hash = ?", (key,)).fetchone()
        self._seen.execute("commit")
        return owners

    def finish(self, part: int) -> None:
        """Notes that a part is finished."""
        self._in_hand.pop(part, None)
        self._looked_at.pop(part, None)
