"""Verdicts and reasons in words for readers who know none of the field's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from facetrust.records import Verdict
from facetrust.runtime.trust import ADVISORY, NO_FACE, NOTHING_ASKED
from facetrust.runtime.verifier import ADVISORY as ADVISORY_MATCH
from facetrust.runtime.verifier import NO_FACE as NO_ONE
from facetrust.runtime.verifier import OPEN, OTHER, POOR, SEVERAL
from facetrust.tasks import task_named, task_names

# How `trusted` is said: a word or two, and a sentence.
TRUSTED = {
    True: ("Trusted", "All that counts was judged, and no verdict that counts speaks against it."),
    False: ("Not trusted", "At least one verdict that counts speaks against it."),
    None: (
        "Cannot tell",
        "Nothing that counts speaks against it, but not all could be judged: do not trust it.",
    ),
}
ADVISORY_SAYS = "Advisory: this model is not proven on real cases. Its answer is shown and decides nothing."
# How a reason begins, and what it means to whoever took the picture.
REASONS = {
    NO_FACE: "No face was found, so there was nothing to judge. Give a picture in which the face is larger, "
    "sharper or better lit.",
    "too many faces": "More faces were found than are judged of one picture. Those left out may be anything.",
    ADVISORY: "Only models that are not proven on real cases were asked, and what they say decides nothing.",
    NOTHING_ASKED: "No question was asked whose answer says whether to trust the picture.",
    "face of ": "The face has too few pixels for this model. Take the picture from nearer, or give a larger "
    "copy.",
    "too blurred": "The face is too blurred for this model. Give a sharper picture.",
    "drawn or of too few tones": "The face looks drawn, printed in dots, or reduced to a few colours; the "
    "model knows photographs alone.",
    "too dark": "The face is too dark for this model. Take the picture in more light.",
    "too bright": "The face is too bright for this model. Take the picture in less light.",
    "no colour": "The face has no colour, and the model is proven on colour pictures alone.",
    "a picture inside a window or frame": "The picture has straight even borders, as a photo in a window or "
    "frame; the model is not proven on these.",
    "the picture ends at the face": "The picture shows the face and nothing around it, as one that was cut "
    "out; the model is not proven on these. Give one that shows the whole head.",
    "turned away": "The face is turned too far to the side, up or down for this model.",
    "tilted": "The head is tilted too far for this model.",
}
# What a comparison or a search of the gallery says, and why it says nothing.
MATCHES = {
    "same": "The two faces are alike enough to be taken for the same person's.",
    "different": "The two faces are not alike enough to be taken for the same person's.",
    "known": "This face is alike enough to one in the gallery.",
    "unknown": "This face is not alike enough to any in the gallery.",
    NO_ONE: "No face was found.",
    SEVERAL: "There is more than one face, so that it is open which is meant.",
    POOR: "The picture of the face is too poor to compare it.",
    OPEN: "Whether the face is live could not be judged, so it is not compared.",
    OTHER: "It was made by another model, and the two cannot be compared.",
    ADVISORY_MATCH: "The model is advisory: it is not proven on real cases, and decides nothing.",
}
_COUNTED = re.compile(r" \(\d+ faces\)$")


def verdict_says(verdict: Verdict) -> str:
    """Returns a verdict as a sentence; its decision alone where the question has none."""
    task = task_named(verdict.task)
    said = {task.positive: task.positive_says, task.negative: task.negative_says}.get(verdict.decision)
    return said or f"The model's answer is: {verdict.decision}."


def reason_says(reason: str | None) -> tuple[str, ...]:
    """Returns a report's or a face's reason as sentences; one that is not known stands as it is."""
    return tuple(dict.fromkeys(_said(each) for each in _parts(reason))) if reason else ()


def _parts(reason: str) -> Iterator[str]:
    """The reasons that one line joins: of several models by semicolons, of several limits by commas."""
    begun = reason.removeprefix("not judged: ")
    for each in begun.split("; ") if begun != reason else [reason]:
        plain = _COUNTED.sub("", each)
        yield from [plain] if _known(plain) == plain else plain.split(", ")


def _known(reason: str) -> str | None:
    return next((begins for begins in REASONS if reason.startswith(begins)), None)


def _said(reason: str) -> str:
    begins = _known(reason)
    return reason if begins is None else REASONS[begins]


def words(tasks: Iterable[str] | None = None) -> dict[str, object]:
    """Returns all of it as JSON may hold it, for a page that writes the same sentences itself."""
    asked = [task_named(name) for name in (task_names() if tasks is None else tasks)]
    fields = {"question", "unit", "output", "negative", "positive", "negative_says", "positive_says"}
    refusals = {task.positive: task.positive_says for task in asked if task.distrusts}
    return {
        "tasks": {
            task.name: task.model_dump(include=fields | {"positive_means", "distrusts"}) for task in asked
        },
        "trusted": {{True: "true", False: "false", None: "null"}[key]: said for key, said in TRUSTED.items()},
        "advisory": ADVISORY_SAYS,
        "reasons": REASONS,
        "matches": MATCHES | refusals,
    }
