"""How good the picture of a face is, and the limits beyond which a model does not judge it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from facetrust.records.samples import Record

AtLeast0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Angle = Annotated[float, Field(ge=-math.pi, le=math.pi)]
Turn = Annotated[float, Field(ge=0, le=math.pi, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Quality(Record):
    """What was measured of a face; `facetrust.imaging.quality.quality_of` says how.

    size: short side of its box in pixels of the picture as it was read, 0 or more; rows and columns that
        repeat their neighbour, as in a face enlarged pixel by pixel, do not count.
    sharpness: fine detail over contrast, 0 or more; about 0.3 in a clear photo, below 0.04 in a blurred one.
    luminance: mean of its grey, in [0, 1].
    dark, bright: shares of its pixels that are all but black, or all but white, in [0, 1].
    chroma: colour that its brightness does not explain, in CIELAB units, 0 or more; 0 of a grey, tinted
        or near-infrared picture, about 3 to 8 of a photo.
    tones: how much of the scale of tones it uses, in [0, 1]; about 0.9 in a photo, below 0.2 where
        there are a few levels only.
    shading: how evenly its brightness changes, in [0, 1]; about 0.6 in a photo, 0 where most of it is
        evenly painted.
    framed: on how many of its four sides, 0 to 4, the picture ends at a straight edge beside one even colour,
        as a photo does in a window.
    room: short side of the picture in long sides of the box, 0 or more; below 1 the picture ends at the face,
        as one that was cut out. None where it was not measured.
    yaw, pitch, roll: how it is turned, in radians, by its five points (`facetrust.imaging.pose.pose_of`):
        to the picture's right, down, its crown to the picture's right. None without five points.
    """

    size: AtLeast0
    sharpness: AtLeast0
    luminance: Share
    dark: Share
    bright: Share
    chroma: AtLeast0
    tones: Share
    shading: Share
    framed: Annotated[int, Field(ge=0, le=4)]
    room: AtLeast0 | None = None
    yaw: Angle | None = None
    pitch: Angle | None = None
    roll: Angle | None = None


class QualityLimits(Record):
    """Between which qualities a model is proven; None where it has no limit. Units are those of `Quality`.

    Of angles the absolute value counts; a face whose pose or room is not known lies beyond any limit to it.
    """

    least_size: AtLeast0 | None = None
    least_sharpness: AtLeast0 | None = None
    most_sharpness: AtLeast0 | None = None
    least_luminance: Share | None = None
    most_luminance: Share | None = None
    most_dark: Share | None = None
    most_bright: Share | None = None
    least_chroma: AtLeast0 | None = None
    least_tones: Share | None = None
    least_shading: Share | None = None
    most_framed: Annotated[int, Field(ge=0, le=4)] | None = None
    least_room: AtLeast0 | None = None
    most_yaw: Turn | None = None
    most_pitch: Turn | None = None
    most_roll: Turn | None = None

    @model_validator(mode="after")
    def _in_order(self) -> QualityLimits:
        for name in ("sharpness", "luminance"):
            least, most = getattr(self, f"least_{name}"), getattr(self, f"most_{name}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"least_{name} is above most_{name}")
        return self

    def beyond(self, quality: Quality) -> tuple[str, ...]:
        """Returns the names of the limits that a face lies beyond, in the order of the fields."""
        values = {name: value for name, value in self.model_dump().items() if value is not None}
        measured = quality.model_dump()
        measured["room"] = quality.room or 0.0
        for angle in ("yaw", "pitch", "roll"):
            measured[angle] = math.inf if measured[angle] is None else abs(measured[angle])
        return tuple(
            name
            for name, limit in values.items()
            if (measured[name[6:]] < limit if name.startswith("least_") else measured[name[5:]] > limit)
        )

    def reason(self, quality: Quality) -> str | None:
        """Returns why a face lies beyond the limits, in plain words; None where it does not."""
        words = {
            "least_size": f"face of {quality.size:.0f} pixels (proven from {self.least_size or 0:.0f})",
            "least_sharpness": "too blurred",
            "most_sharpness": "drawn or of too few tones",
            "least_luminance": "too dark",
            "most_luminance": "too bright",
            "most_dark": "too dark",
            "most_bright": "too bright",
            "least_chroma": "no colour",
            "least_tones": "drawn or of too few tones",
            "least_shading": "drawn or of too few tones",
            "most_framed": "a picture inside a window or frame",
            "least_room": "the picture ends at the face",
            "most_yaw": "turned away",
            "most_pitch": "turned away",
            "most_roll": "tilted",
        }
        said = dict.fromkeys(words[name] for name in self.beyond(quality))
        return ", ".join(said) or None
