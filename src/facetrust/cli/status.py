"""How a command ends: its exit status, and which one counts of several."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

EXIT_STATUS = (
    "Exit status: 0 everything asked was judged and trusted, or done; 1 at least one is not trusted; "
    "3 nothing wrong was found, but something could not be judged (no face, too poor, skipped, advisory "
    "only); 2 bad input or usage, with one line on standard error; 130 interrupted; 141 whoever read "
    "the output went away. Of several, 2 counts before 1 before 3 before 0."
)


class Status(IntEnum):
    """An exit status; see `EXIT_STATUS`."""

    DONE = 0
    NOT_TRUSTED = 1
    BAD_INPUT = 2
    NOT_JUDGED = 3
    INTERRUPTED = 130
    PIPE_CLOSED = 141  # As a shell says of a program that SIGPIPE ended.


def status_of(statuses: Iterable[Status]) -> Status:
    """Returns the one that counts: 2 before 1 before 3 before 0; 0 of none."""
    weights = (Status.DONE, Status.NOT_JUDGED, Status.NOT_TRUSTED, Status.BAD_INPUT)
    return max(statuses, key=weights.index, default=Status.DONE)
