"""What verdicts together say: whether a picture or a video can be trusted, and why not if that is open."""

from __future__ import annotations

from collections.abc import Iterable

from facetrust.records import Verdict
from facetrust.tasks import task_named

NO_FACE = "no face found"
ADVISORY = "advisory only: no model that was asked is proven on real attacks"
NOTHING_ASKED = "no question about trust was asked"


def lacking_faces(found: int, left_out: int) -> str | None:
    """Returns what could not be judged of a picture's faces, or None; `left_out` were found beside them."""
    if not found:
        return NO_FACE
    return f"too many faces: {left_out} not judged" if left_out else None


def trust(
    verdicts: Iterable[Verdict], *, lacking: str | None = None, unproven: str | None = None
) -> tuple[bool | None, str | None]:
    """Returns `trusted` and the reason if there is one to give.

    False where a verdict that decides is one that its task distrusts; None where nothing is wrong but
    something could not be judged; True only where every model that decides judged all, and trusts it.

    Args:
        lacking: what could not be judged by a model that decides.
        unproven: what could not be judged by an advisory one; it is the reason where none decides.
    """
    said = [verdict for verdict in verdicts if task_named(verdict.task).distrusts]
    deciding = [verdict for verdict in said if not verdict.advisory]
    if any(verdict.decision == task_named(verdict.task).positive for verdict in deciding):
        return False, lacking
    if lacking is not None:
        return None, lacking
    if not deciding:
        return None, unproven or (ADVISORY if said else NOTHING_ASKED)
    return True, None
