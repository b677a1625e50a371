"""What is answered beyond the command line's records, and what may be asked."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import Field

from facetrust.records import CheckReport, Face, ModelCard, Policy, Record
from facetrust.runtime.parse import Parsed
from facetrust.runtime.part_pictures import mask_png

Png = str  # A PNG's bytes, base64.


class CheckQuery(Record):
    """What may be asked of a picture or video, in the query or as fields of the form."""

    tasks: list[str] | None = Field(
        None, description="Questions, repeatable; all about faces that a bundled model answers without."
    )
    policy: Policy | None = Field(None, description="Which of the card's thresholds decides.")
    evidence: bool = Field(False, description="Adds `evidence`, the overlays, and `maps`, to the report.")


class CameraQuery(Record):
    """The first message of a camera, as JSON text: the API key where there are keys, and what is asked."""

    key: str | None = None
    tasks: list[str] | None = None
    policy: Policy | None = None


class Frame(Record):
    """What is said of a camera's frame, `frame` being its number among those that were sent.

    `dropped` counts the frames that were not looked at, for the service was busy; `rate` is how many were
    judged a second of late. `error` stands for a report where the frame cannot be read.
    """

    frame: int
    dropped: int
    rate: float
    report: CheckReport | None = None
    error: str | None = None


class VerifyQuery(Record):
    """How two faces are compared."""

    far: float | None = Field(None, description="False accept rate to decide at, one that the card names.")
    liveness: bool = Field(False, description="Also ask whether each face is live; no other is compared.")


class ParseQuery(Record):
    """In which form the parts are answered."""

    format: Literal["json", "png"] = Field(
        "json", description="`png`: the mask alone, an indexed PNG. `json`: faces, classes and that mask."
    )


class EvidenceMap(Record):
    """One task's evidence alone: `layer` is a transparent PNG, to be laid over the picture as it was read.

    Of a video, over the frame of a track's most telling moment. `strength`: of what is opaque, in logits.
    """

    task: str
    track: int | None
    strength: float
    layer: Png


class Evidence(CheckReport):
    """A report with its overlays: file name, as `check --evidence` gives it → PNG in base64; and its maps."""

    evidence: dict[str, Png]
    maps: tuple[EvidenceMap, ...]

    @classmethod
    def of(cls, report: CheckReport, drawn: dict[str, Png], maps: tuple[EvidenceMap, ...]) -> Evidence:
        """Returns a report with overlays and maps."""
        fields = {name: getattr(report, name) for name in CheckReport.model_fields}
        return cls.model_construct(**fields, evidence=drawn, maps=maps)


class ParsedPicture(Record):
    """The parts of the faces in a picture: `mask` is an indexed PNG, its indices in the order of `classes`.

    `complete`: whether there was a face, and all of them are in the mask.
    """

    source: str
    width: int
    height: int
    classes: tuple[str, ...]
    faces: tuple[Face, ...]
    left_out: int
    complete: bool
    mask: Png

    @classmethod
    def of(cls, parsed: Parsed) -> ParsedPicture:
        """Returns what was found as it is answered."""
        height, width = parsed.mask.shape
        return cls(
            source=parsed.source,
            width=width,
            height=height,
            classes=parsed.classes,
            faces=parsed.faces,
            left_out=parsed.left_out,
            complete=parsed.complete,
            mask=base64.b64encode(mask_png(parsed)).decode(),
        )


class People(Record):
    """Who is in the gallery: name → number of templates, and the model that made them."""

    people: dict[str, int]
    templates: int
    model: str | None


class Forgotten(Record):
    """Whose templates were deleted, and how many there were."""

    name: str
    templates: int


class Models(Record):
    """The cards of the models that may be asked."""

    models: tuple[ModelCard, ...]


class State(Record):
    """Whether the service runs (`healthz`), or takes work (`readyz`)."""

    status: Literal["ok", "starting", "full"]
