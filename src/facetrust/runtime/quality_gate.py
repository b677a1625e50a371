"""Which faces a model does not judge, because they lie beyond the limits of its card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from facetrust.imaging import Pixels
from facetrust.imaging.quality import quality_of
from facetrust.records import Face, NotJudged, Quality
from facetrust.runtime.model import Model


def measured(face: Face, image: Pixels) -> Face:
    """Returns the face with its quality; `image` is (H, W, 3) uint8 RGB, in whose pixels it was found."""
    return face.model_copy(update={"quality": quality_of(image, face.box, face.points)})


def not_judged(quality: Quality, models: Mapping[str, Model]) -> tuple[NotJudged, ...]:
    """Returns which of the models about faces do not judge a face of this quality, and why."""
    found = []
    for task, model in models.items():
        limits = model.card.limits if model.task.unit == "face" else None
        if limits is not None and (reason := limits.reason(quality)) is not None:
            found.append(NotJudged(task=task, model=model.name, reason=reason, advisory=model.card.advisory))
    return tuple(found)


def reason_of(faces: Iterable[Face], *, advisory: bool = False) -> str | None:
    """Returns in one line why faces were not judged by models that decide; None where all were.

    Args:
        advisory: why any model did not judge them.
    """
    reasons: dict[str, int] = {}
    for face in faces:
        left = [each.reason for each in face.not_judged if advisory or not each.advisory]
        for reason in dict.fromkeys(left):
            reasons[reason] = reasons.get(reason, 0) + 1
    said = [reason if count == 1 else f"{reason} ({count} faces)" for reason, count in reasons.items()]
    return f"not judged: {'; '.join(said)}" if said else None
