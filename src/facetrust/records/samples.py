"""A manifest's row, and what made a file of scores."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Split = Literal["train", "dev", "test"]
Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Record(BaseModel):
    """A value with checked fields that cannot be changed; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(Record):
    """One manifest row. Paths are relative to the manifest; box and points are in pixels of the image.

    label: 0 or 1, or none where the target is an identity (`subject`) or a mask. points: the eyes (the one
    on the picture's left first), the tip of the nose and the corners of the mouth.
    """

    path: str
    label: int | None = Field(default=None, ge=0, le=1)
    split: Split
    subject: str | None = None
    domain: str | None = None
    attack: str | None = None
    media: str | None = None
    frame: int | None = None
    x: float | None = None
    y: float | None = None
    w: float | None = None
    h: float | None = None
    mask: str | None = None
    points: tuple[Point, Point, Point, Point, Point] | None = None

    @field_validator("points", mode="before")
    @classmethod
    def _read_points(cls, value: Any) -> Any:
        """Ten numbers in a text, x before y, as they stand in a manifest."""
        if not isinstance(value, str):
            return value
        numbers = [float(part) for part in value.split()]
        if len(numbers) != 10:
            raise ValueError("points are five times x and y, ten numbers with spaces between them")
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))


class Disturbance(Record):
    """What was done to pictures before they were scored, and how strongly (`data.augment.disturb`)."""

    kind: str
    strength: float


class Provenance(Record):
    """What made a scores file: the model, the manifest, the split, the seed, and what pictures underwent.

    trained_people: how many of the people who are asked about were also trained on; none where nobody knows.
    classes, size: of a model that answers with classes, their names in order, and the (height, width) in
    pixels that pictures were brought to and are measured at.
    merged: classes that stand for several of the model's or the manifest's own, and which these are.
    """

    model: str
    version: str
    task: str
    manifest: str
    split: Split
    seed: int | None = None
    disturbance: Disturbance | None = None
    trained_people: int | None = None
    classes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    merged: dict[str, tuple[str, ...]] = Field(default_factory=dict)
