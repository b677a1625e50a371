"""What `verify`, `enroll` and `identify` return: whether two faces are one person's, and who a face is."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from facetrust.records.reports import Face
from facetrust.records.samples import Record


class Side(Record):
    """One of the two things that are compared: its faces, and why it cannot be compared, if it cannot.

    `source` is a picture's or video's name; of an embedding that was handed in there are no faces.
    `reason` is `no face`, `several faces`, `poor quality`, `other model`, what a question that distrusts
    answered, such as `attack`, or `liveness open` where none of them could decide. `detail` says more.
    """

    source: str
    faces: tuple[Face, ...] = ()
    reason: str | None = None
    detail: str | None = None


class Decision(Record):
    """What faces were compared by: the model, the threshold, and the false accept rate that it stands for.

    `score` of two faces is the cosine of their embeddings, in [-1, 1]. `far` is the share of pairs of
    different people that reach the threshold on the data that it was fitted on; None where nobody measured
    that. `liveness` names the questions that were asked besides.
    """

    schema_name: str = Field(alias="schema")
    model: str
    threshold: float
    threshold_rule: str
    far: float | None = None
    liveness: tuple[str, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Comparison(Decision):
    """What `verify` says of two faces; printed as one JSON line (schema `facetrust.verify/1`).

    It is true where the decision is `same`. `decision` is None where one side cannot be judged, and `reason`
    says why; there may be a score all the same, which decides nothing.
    """

    schema_name: Literal["facetrust.verify/1"] = Field("facetrust.verify/1", alias="schema")
    score: float | None
    decision: Literal["same", "different"] | None
    reason: str | None = None
    first: Side
    second: Side

    def __bool__(self) -> bool:
        return self.decision == "same"

    def to_json(self) -> str:
        """Returns the comparison as one JSON line."""
        return self.model_dump_json(by_alias=True)


class Match(Record):
    """Who one face is: `known` with a name, `unknown`, or None with a reason.

    `score` is the cosine with the nearest template, whoever's that is; None if there is none.
    """

    face: Face
    decision: Literal["known", "unknown"] | None
    name: str | None = None
    score: float | None = None
    reason: str | None = None
    detail: str | None = None


class Identification(Decision):
    """What `identify` says of every face in a picture; one JSON line (schema `facetrust.identify/1`).

    `people` and `templates` count what the faces were compared with. `reason` says why nothing was judged.
    """

    schema_name: Literal["facetrust.identify/1"] = Field("facetrust.identify/1", alias="schema")
    source: str
    matches: tuple[Match, ...]
    reason: str | None = None
    people: int
    templates: int

    def to_json(self) -> str:
        """Returns the identification as one JSON line."""
        return self.model_dump_json(by_alias=True)


class Enrolment(Record):
    """What `enroll` kept: how many templates were added for a person, and how many there are now."""

    name: str
    added: int
    templates: int


class GallerySummary(Record):
    """What a gallery holds; `model` and `dimensions` are None where it was never written to.

    people: name → number of templates. bytes: what it takes on disk.
    """

    place: str
    model: str
    dimensions: int
    people: dict[str, int]
    templates: int
    encrypted: bool
    bytes: int
