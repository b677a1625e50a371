"""The nouns: what is handed from one part to the next, and how it is written down.

Score direction, fixed once: higher means more likely attack, manipulated or generated; in
recognition, the same person. A decision is `score >= threshold`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facetrust.errors import ManifestError, ModelError, ScoresError

if TYPE_CHECKING:
    import polars as pl

TaskName = Literal["antispoof", "deepfake", "synthetic", "recognition", "parsing"]
Split = Literal["train", "dev", "test"]
Fill = Literal["shift", "reflect", "edge", "zero"]
Box = tuple[float, float, float, float]
Point = tuple[float, float]

DECISIONS: dict[str, tuple[str, str]] = {
    "antispoof": ("bona fide", "attack"),
    "deepfake": ("genuine", "manipulated"),
    "synthetic": ("real", "generated"),
    "recognition": ("different", "same"),
}
# What a higher score speaks for, in a sentence.
SUSPECTS: dict[str, str] = {
    "antispoof": "an attack",
    "deepfake": "manipulated",
    "synthetic": "generated",
    "recognition": "the same person",
}
_LABELS = {
    **dict.fromkeys(("0", "bona fide", "bonafide", "live", "real", "genuine", "different"), 0),
    **dict.fromkeys(("1", "attack", "spoof", "fake", "manipulated", "generated", "same"), 1),
}


def label_number(name: str | int) -> int:
    """Returns 0 (bona fide) or 1 (attack) for a label's name in any task.

    Raises:
        ManifestError: the label is not known.
    """
    try:
        return _LABELS[str(name).strip().lower()]
    except KeyError:
        raise ManifestError(f"label {name!r} is not known; use one of {', '.join(_LABELS)}") from None


class Record(BaseModel):
    """A value with checked fields that cannot be changed; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(Record):
    """One manifest row. Paths are relative to the manifest; the box is in pixels of the image."""

    path: str
    label: int = Field(ge=0, le=1)
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


class Preprocessing(Record):
    """How a face becomes a network's input. Serving reads this from the card and nowhere else.

    A crop is taken per margin; the score is the sigmoid of the mean logit over the crops.
    `top` is the value of a full-bright pixel before `mean` and `std` (1 or 255).
    """

    margins: tuple[float, ...] = (1.5,)
    size: tuple[int, int] = (128, 128)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    top: float = 1.0
    color: Literal["RGB", "BGR"] = "RGB"
    fill: Fill = "shift"
    square: bool = True
    resize: Literal["area", "linear"] = "area"


class Threshold(Record):
    """A decision value that remembers how and on what it was chosen."""

    value: float
    rule: str
    manifest: str
    split: Split


class Result(Record):
    """A measured figure with its 95 % interval, where it was measured and by which command."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    data: str
    split: str
    command: str


class ModelCard(Record):
    """What a model is, how to feed it, what its score means and what was measured."""

    schema_name: Literal["facetrust.card/1"] = Field("facetrust.card/1", alias="schema")
    name: str
    version: int = 1
    task: TaskName
    architecture: str
    preprocessing: Preprocessing
    score_means: str
    evidence_means: str = "none"
    thresholds: tuple[Threshold, ...] = ()
    training_data: str = "not stated"
    terms: str = "not stated"
    recipe: str = "not stated"
    manifest: str = "not stated"
    seed: int | None = None
    parameters: int | None = None
    results: tuple[Result, ...] = ()
    weights: str = ""
    sha256: str = ""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def to_json(self) -> str:
        """Returns the card as indented JSON."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> ModelCard:
        """Returns the card in a JSON text; `source` names it in errors.

        Raises:
            ModelError: not JSON, or a field is missing, unknown or of the wrong kind.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the card"
            raise ModelError(f"{source}: {where}: {first['msg']}") from None

    def verify(self, weights: Path) -> None:
        """Checks a weight file against the card's SHA-256.

        Raises:
            ModelError: the file is missing or its hash differs.
        """
        if not weights.is_file():
            raise ModelError(f"{weights}: the weight file of {self.name} is missing")
        if (found := sha256_of(weights)) != self.sha256:
            raise ModelError(
                f"{weights}: SHA-256 is {found[:12]}…, its card says {self.sha256[:12] or 'nothing'}…; "
                "fetch or export it again"
            )


class Verdict(Record):
    """One task's answer about one face or picture."""

    task: TaskName
    score: float
    threshold: float
    decision: str
    model: str


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
    scores: dict[TaskName, tuple[float, ...]]


class Face(Record):
    """A face found in a picture: box x, y, w, h and five points (eyes, nose, mouth corners) in pixels."""

    box: Box
    points: tuple[Point, ...]
    confidence: float
    track: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    timeline: Timeline | None = None


class Watched(Record):
    """How a video was looked at: its length, its frames, and the rule that made one score of many."""

    seconds: float
    per_second: float
    frames: int
    sampled: int
    rule: str


class CheckReport(Record):
    """What `check` says of one picture or video; printed as one JSON line (schema `facetrust.check/1`)."""

    schema_name: Literal["facetrust.check/1"] = Field("facetrust.check/1", alias="schema")
    source: str
    kind: Literal["image", "video"] = "image"
    size: tuple[int, int]
    trusted: bool | None
    reason: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    faces: tuple[Face, ...] = ()
    timings: dict[str, float] = Field(default_factory=dict)
    watched: Watched | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def to_json(self) -> str:
        """Returns the report as one JSON line."""
        return self.model_dump_json(by_alias=True)


class Disturbance(Record):
    """What was done to pictures before they were scored, and how strongly (`data.disturb`)."""

    kind: str
    strength: float


class Provenance(Record):
    """What made a scores file: the model, the manifest, the split, the seed, and what pictures underwent."""

    model: str
    version: str
    task: TaskName = "antispoof"
    manifest: str
    split: Split
    seed: int | None = None
    disturbance: Disturbance | None = None


class Scores:
    """A table of scores, one row a sample, and what made it.

    Columns: sample, media, subject, domain, attack (strings or null), label (0 or 1), score.
    """

    columns = ("sample", "media", "subject", "domain", "attack", "label", "score")

    def __init__(self, rows: pl.DataFrame, made_by: Provenance) -> None:
        import polars as pl

        missing = [name for name in self.columns if name not in rows.columns]
        if missing:
            raise ScoresError(f"scores lack the column {missing[0]!r}; needed: {', '.join(self.columns)}")
        # A column without a value has no kind of its own, and could not be compared with another's.
        kinds = dict.fromkeys(self.columns[:5], "String") | {"label": "Int64", "score": "Float64"}
        try:
            self.rows = rows.select(rows[name].cast(getattr(pl, kinds[name])) for name in self.columns)
        except pl.exceptions.PolarsError as error:
            raise ScoresError(f"a value does not fit its column ({str(error).splitlines()[0]})") from None
        self.made_by = made_by

    def __len__(self) -> int:
        return self.rows.height

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) int64, 1 = attack (or same person)."""
        return self.rows["label"].to_numpy().astype(np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """(N,) float64."""
        return self.rows["score"].to_numpy().astype(np.float64)

    def column(self, name: str) -> NDArray[np.object_]:
        """Returns a text column as (N,) objects, null as None."""
        return np.array(self.rows[name].to_list(), dtype=object)

    def same_rows(self, other: Scores) -> bool:
        """Whether both hold the same samples with the same labels, in whatever order."""
        keys = ["sample", "label"]
        mine, theirs = (each.rows.select(keys).sort(keys) for each in (self, other))
        return mine.equals(theirs)

    def write(self, path: str | Path) -> None:
        """Writes a Parquet file; what made it goes into the file's metadata."""
        text = self.made_by.model_dump_json()
        write_whole(Path(path), lambda part: self.rows.write_parquet(part, metadata={"facetrust": text}))

    @classmethod
    def read(cls, path: str | Path) -> Scores:
        """Returns the table in a Parquet file.

        Raises:
            ScoresError: missing, not Parquet, not written by facetrust, or a column is missing.
        """
        import polars as pl

        path = Path(path)
        if not path.is_file():
            raise ScoresError(f"{path}: no such scores file; make one with: facetrust evaluate")
        try:
            made_by = json.loads(pl.read_parquet_metadata(path)["facetrust"])
            return cls(pl.read_parquet(path), Provenance(**made_by))
        except ScoresError as error:
            raise ScoresError(f"{path}: {error}") from None
        except Exception as error:  # Polars raises many kinds for a damaged file.
            raise ScoresError(f"{path}: is not a scores file ({type(error).__name__})") from None


def sha256_of(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write` with a path beside `path`, then renames it, so that no half-written file is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
