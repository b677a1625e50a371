"""What `check` returns: verdicts, faces, and a report per picture or video."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, computed_field, model_validator

from facetrust.records.quality import Quality
from facetrust.records.samples import Box, Point, Record


class Verdict(Record):
    """One task's answer about one face or picture; an advisory one decides nothing.

    `probability` is the score as a chance, by the card's calibration, if it has one: that of the positive
    decision where both are equally frequent. `threshold_rule` says how the threshold was chosen, as the card
    does; `user` if the user gave it. `evidence_on` is, where evidence was asked for, the share of what
    speaks for the decision on each part of the face, from 1 % on and the greatest first.
    """

    task: str
    score: float
    threshold: float
    threshold_rule: str | None = None
    probability: float | None = None
    decision: str
    model: str
    advisory: bool = False
    evidence_on: dict[str, float] | None = None


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


class NotJudged(Record):
    """One task's model that does not judge a face, and why: the face lies beyond the limits of its card.

    Where the model is advisory, nothing hangs on it, as nothing hangs on its verdicts.
    """

    task: str
    model: str
    reason: str
    advisory: bool = False


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
    """A face found in a picture: box x, y, w, h and five points (eyes, nose, mouth corners) in pixels.

    `quality` is what was measured of it, in a video the median over its track, and `not_judged` which models
    do not judge it for that.
    """

    box: Box
    points: tuple[Point, ...]
    confidence: float
    track: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    parts: tuple[Parts, ...] = ()
    timeline: Timeline | None = None
    quality: Quality | None = None
    not_judged: tuple[NotJudged, ...] = ()


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
    `size` is (height, width), as of arrays; `width` and `height` say the same by name.
    `left_out` counts the faces found beyond the most that are judged, in a video those of its fullest frame.
    `evidence_errors` says which evidence pictures could not be written, and why.
    `quality_gate` says whether faces beyond the limits of a model's card were left unjudged.
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
    quality_gate: bool = True

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_what_size_says(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            return {name: value for name, value in fields.items() if name not in ("width", "height")}
        return fields

    @computed_field  # type: ignore[prop-decorator]
    @property
    def width(self) -> int:
        """Width of the picture in pixels."""
        return self.size[1]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def height(self) -> int:
        """Height of the picture in pixels."""
        return self.size[0]

    def __bool__(self) -> bool:
        return self.trusted is True

    def to_json(self) -> str:
        """Returns the report as one JSON line."""
        return self.model_dump_json(by_alias=True)
