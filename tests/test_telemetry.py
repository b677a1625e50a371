"""Nothing leaves the machine: a model held open for longer than a minute leaves no file and calls no host."""

from __future__ import annotations

import json
import time
from pathlib import Path


def test_a_held_session_writes_nothing_and_calls_nobody(held_session: Path) -> None:
    last = time.monotonic() + 150
    while not held_session.is_file():
        assert time.monotonic() < last, "the process that holds the session gave no answer"
        time.sleep(0.5)
    assert json.loads(held_session.read_text()) == {"files": [], "callers": []}
