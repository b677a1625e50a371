"""What verdicts together say."""

from __future__ import annotations

import pytest

from facetrust.records import Verdict
from facetrust.runtime.trust import ADVISORY, NO_FACE, NOTHING_ASKED, trust


def verdict(decision: str, *, advisory: bool = False) -> Verdict:
    task = "antispoof" if decision in ("bona fide", "attack") else "deepfake"
    return Verdict(task=task, score=0.5, threshold=0.5, decision=decision, model="m@1", advisory=advisory)


GOOD, BAD = verdict("bona fide"), verdict("attack")
HINT, CLEAR = verdict("manipulated", advisory=True), verdict("genuine", advisory=True)


@pytest.mark.parametrize(
    ("verdicts", "lacking", "expected"),
    [
        ([GOOD], None, (True, None)),
        ([GOOD, BAD], None, (False, None)),
        ([GOOD, verdict("manipulated")], None, (False, None)),
        ([], NO_FACE, (None, NO_FACE)),
        ([GOOD], NO_FACE, (None, NO_FACE)),
        ([BAD], NO_FACE, (False, NO_FACE)),
        ([GOOD, HINT], None, (True, None)),
        ([BAD, CLEAR], None, (False, None)),
        ([HINT], None, (None, ADVISORY)),
        ([CLEAR], None, (None, ADVISORY)),
        ([], None, (None, NOTHING_ASKED)),
    ],
)
def test_only_what_was_judged_by_a_proven_model_decides(verdicts, lacking, expected):
    assert trust(verdicts, lacking=lacking) == expected
