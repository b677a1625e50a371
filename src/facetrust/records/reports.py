"""What `check` returns: verdicts, faces, and a report per picture or video."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from facetrust.records.samples import Box, Point, Record


class Verdict(Record):
    """One task's answer about one face or picture; an advisory one decides nothing.

    `threshold_rule` says how the threshold was chosen, as the card does; `user` if the user gave it.
    """

    task: str
    score: float
    threshold: float
    threshold_rule: str | None = None
    decision: str
    model: str
    advisory: bool = False


class Embedding(Record):
    """One task's embedding of a face. It is personal data: `vector` (d,) is never written into JSON."""

    task: str
    model: str
    dimensions: int
    vector: tuple[float, ...] = Field(default=(), exclude=True, repr=False)


class Parts(Record):
    """One task's classes over a crop: the share of its pixels that each has, in the card's order.

    `classes` (h, w) uint8 has the index of every pixel of the crop; it is not written into JSON.
    """

    task: str
    model: str
    shares: dict[str, float]
    classes: Any = Field(default=None, exclude=True, repr=False)


class Timeline(Record):
    """When one face was seen in a video, in seconds from its beginning, and its scores at these times.

    `telling` is the time at which a score stood highest over its threshold, the moment of the face's
    box and points; `scored` counts the times, and `scores` has as many per task.
    """

    first: float
    last: float
    telling: float
    scored: int
    times: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]


class Face(Record):
    """A face found in a picture: box x, y, w, h and five points (eyes, nose, mouth corners) in pixels."""

    box: Box
    points: tuple[Point, ...]
    confidence: float
    track: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    parts: tuple[Parts, ...] = ()
    timeline: Timeline | None = None


class VideoSummary(Record):
    """How a video was looked at: its length, its frames, and the rule that made one score of many."""

    seconds: float
    per_second: float
    frames: int
    sampled: int
    rule: str


class CheckReport(Record):
    """What `check` says of one picture or video; printed as one JSON line (schema `facetrust.check/1`).

    It is true where `trusted` is, so that `if report:` lets nothing pass that could not be judged.
    `left_out` counts the faces found beyond the most that are judged, in a video those of its fullest frame.
    `evidence_errors` says which evidence pictures could not be written, and why.
    """

    schema_name: Literal["facetrust.check/1"] = Field("facetrust.check/1", alias="schema")
    source: str
    kind: Literal["image", "video"] = "image"
    size: tuple[int, int]
    trusted: bool | None
    reason: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    parts: tuple[Parts, ...] = ()
    faces: tuple[Face, ...] = ()
    left_out: int = 0
    timings: dict[str, float] = Field(default_factory=dict)
    watched: VideoSummary | None = None
    evidence_errors: tuple[str, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def __bool__(self) -> bool:
        return self.trusted is True

    def to_json(self) -> str:
        """Returns the report as one JSON line."""
        return self.model_dump_json(by_alias=True)
