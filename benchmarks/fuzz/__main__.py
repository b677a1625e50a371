"""Damaged files of every kind that is read: each is judged or refused in one line, soon, and costs no other.

Small good files are damaged as a seed and a number say, so that every finding can be made again. Each kind
has a process of its own, which is watched from outside: one that dies, takes too long or too much memory is
a finding like a traceback. Run it as `python benchmarks/fuzz`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trials import KINDS, damaged, work
from watch import outcomes

MEMORY = 2 * 2**30  # Bytes; a picture of as many pixels as may be takes half of it.


def column_of(outcome: str) -> str:
    """The column of the table in which an outcome is counted."""
    if outcome in ("taken", "refused"):
        return outcome
    return "hang" if outcome.startswith("hang") else "crash"


def main() -> int:
    """Runs all kinds; prints a row each, and every finding with the arguments that make its file again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this one; repeatable")
    parser.add_argument("--write", type=int, metavar="NUMBER", help="write one file of the kind, and leave")
    given = parser.parse_args()
    kinds = given.kind or list(KINDS)
    if given.write is not None:
        suffix, data = damaged(kinds[0], given.seed, given.write, KINDS[kinds[0]].seeds())
        print(Path(f"{kinds[0]}-{given.write}{suffix}").write_bytes(data), "bytes")
        return 0
    unit = given.files / sum(KINDS[kind].share for kind in kinds)
    print(f"seed {given.seed}\nkind         files   taken refused crashes   hangs  peak MB seconds")
    found = 0
    for kind in kinds:
        start, peak, counts = time.monotonic(), 0, Counter[str]()
        total = round(unit * KINDS[kind].share)
        for number, outcome, memory in outcomes(work, kind, given.seed, total):
            peak = max(peak, memory)
            if memory > MEMORY:
                outcome = f"memory: {memory / 1e6:.0f} MB"
            name = column_of(outcome)
            counts[name] += 1
            if name in ("hang", "crash"):
                found += 1
                print(f"--seed {given.seed} --kind {kind} --write {number}: {outcome[-600:]}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{kind} {counts.total()}/{total} \r", end="", file=sys.stderr, flush=True)
        cells = [counts[name] for name in ("taken", "refused", "crash", "hang")]
        print(
            f"{kind:12}{total:6}" + "".join(f"{cell:8}" for cell in cells)
            + f"{peak / 1e6:9.0f}{time.monotonic() - start:8.0f}", flush=True,
        )  # fmt: skip
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
