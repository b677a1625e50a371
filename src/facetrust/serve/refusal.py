"""A request that is refused: its status and one line that says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facetrust.records import Record


class Refused(Record):
    """What is answered to a request that is refused."""

    error: str


class Refusal(Exception):
    """A request that is refused, with an HTTP status and one line that names no picture and no person."""

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it crosses from process to process."""
        return Refusal, (self.status, self.line, self.headers)
