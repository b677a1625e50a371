"""A model's card: what it is, how to feed it, what its output means and what was measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, ValidationError

from facetrust.errors import ModelError, UsageError
from facetrust.records.files import sha256_of
from facetrust.records.quality import QualityLimits
from facetrust.records.samples import Record, Split

Policy = Literal["strict", "balanced", "lenient"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
# The kind of rule of `fit_threshold` that a policy wants a threshold by; balanced is the card's first.
_BOUND: dict[Policy, str] = {"strict": "apcer@", "lenient": "bpcer@"}
Fill = Literal["shift", "reflect", "edge", "zero"]
_EDGE = 1e-7  # No score of a float32 sigmoid tells apart what is nearer to 0 or 1.
Finite = Annotated[float, Field(allow_inf_nan=False)]
# What pixels are scaled by; far within what a float32 holds.
Shift = Annotated[float, Field(ge=-1e6, le=1e6)]
Scale = Annotated[float, Field(ge=1e-6, le=1e6)]
Side = Annotated[int, Field(ge=1, le=4096)]


class Preprocessing(Record):
    """How a face becomes a network's input. Serving reads this from the card and nowhere else.

    A crop is taken per margin; the score is the sigmoid of the mean logit over the crops.
    align: `points` turns the face upright by its five points instead of cutting its box; `margins`, `fill`
    and `square` then play no part, but for one margin that stands for the one crop. `native` cuts windows of
    `size` at the picture's own resolution, one per margin, spread over the box; `margins`, `fill`, `square`
    and `resize` then play no other part.
    resize: `area` and `cubic` average pixels where a crop shrinks; where it grows, they are linear and cubic.
    `top` is the value of a full-bright pixel before `mean` and `std` (1 or 255).
    grey_world: before `mean` and `std`, each crop's channels are multiplied so that their means are equal and
    the crop's mean stays; light of another colour then changes nothing but what it clips.
    standardize: at last, each crop is brought to mean 0 and deviation 1 by its own values, those of all
    channels together.

    Source: Buchsbaum 1980, "A spatial processor model for object colour perception" (grey world).
    """

    margins: tuple[Annotated[float, Field(gt=0, le=10)], ...] = Field((1.5,), min_length=1, max_length=8)
    size: tuple[Side, Side] = (128, 128)
    mean: tuple[Shift, Shift, Shift] = (0.0, 0.0, 0.0)
    std: tuple[Scale, Scale, Scale] = (1.0, 1.0, 1.0)
    top: Scale = 1.0
    grey_world: bool = False
    standardize: bool = False
    color: Literal["RGB", "BGR"] = "RGB"
    fill: Fill = "shift"
    square: bool = True
    align: Literal["box", "points", "native"] = "box"
    resize: Literal["area", "linear", "cubic", "nearest"] = "area"


class Threshold(Record):
    """A decision value that remembers how and on what it was chosen."""

    value: Finite
    rule: str
    manifest: str
    split: Split


class Calibration(Record):
    """How a score becomes the probability of the positive answer, where both answers are equally frequent.

    The sigmoid of slope * logit + offset, the logit that of the score: Platt's form. The slope is above 0, so
    that a probability ranks as its score does. manifest, split: what it was fitted on.

    Source: Platt 1999, "Probabilistic outputs for support vector machines", equation 1.
    """

    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    offset: Finite
    manifest: str
    split: Split

    def probability(self, score: float) -> float:
        """Returns the probability, in [0, 1], that belongs to a score in [0, 1]."""
        return 0.5 * (1 + math.tanh(0.5 * (self.slope * logit_of(score) + self.offset)))


def logit_of(score: float) -> float:
    """Returns the log odds of a score in [0, 1], the outermost cut at 1e-7 from 0 and 1."""
    inside = min(max(score, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))


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
    """What a model is, how to feed it, what its output means and what was measured.

    classes: names of the classes of a dense output, in the order of their indices.
    advisory: no result on real positives of its kind stands above its trivial baselines, so that its
    verdicts are shown and decide nothing.
    calibration: how its score becomes a probability; None: it does not. It decides nothing.
    limits: the qualities of a face between which the model is proven; others it does not judge. None: it
    judges all.
    """

    schema_name: Literal["facetrust.card/1"] = Field("facetrust.card/1", alias="schema")
    name: str
    version: int = 1
    task: str
    architecture: str
    preprocessing: Preprocessing
    score_means: str
    evidence_means: str = "none"
    classes: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    calibration: Calibration | None = None
    training_data: str = "not stated"
    terms: str = "not stated"
    recipe: str = "not stated"
    manifest: str = "not stated"
    seed: int | None = None
    parameters: int | None = None
    results: tuple[Result, ...] = ()
    advisory: bool = False
    limits: QualityLimits | None = None
    weights: str = ""
    sha256: str = ""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @property
    def title(self) -> str:
        """The model's name as verdicts carry it: `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def threshold(self) -> float:
        """The value that decides: that of the first threshold.

        Raises:
            ModelError: no threshold was fitted.
        """
        if not self.thresholds:
            raise ModelError(
                f"{self.title}: its card has no threshold; fit one with: "
                "facetrust export --rule eer --data MANIFEST"
            )
        return self.thresholds[0].value

    def threshold_for(self, policy: Policy) -> Threshold:
        """Returns the threshold that a policy decides by: strict never above balanced, lenient never below.

        `balanced` is the card's first. `strict` lets few attacks pass: the lowest of those that bound the
        APCER (rule `apcer@…`), or the first where that is lower still and so keeps their bound too.
        `lenient` raises few false alarms: the highest of those that bound the BPCER (`bpcer@…`), or the
        first.

        Raises:
            ModelError: no threshold was fitted.
            UsageError: no such policy, or none of the thresholds bounds what it is about.
        """
        if policy not in POLICIES:
            raise UsageError(f"no policy {policy!r}; use {', '.join(POLICIES)}")
        _ = self.threshold
        first = self.thresholds[0]
        if policy == "balanced":
            return first
        bounding = [each for each in self.thresholds if each.rule.startswith(_BOUND[policy])]
        if not bounding:
            kept = ", ".join(each.rule for each in self.thresholds)
            raise UsageError(
                f"{self.title}: its card has no threshold for the policy {policy}, only {kept}; "
                f"fit one with: facetrust export MODEL --rule {_BOUND[policy]}5% --data MANIFEST --out FILE"
            )
        pick = min if policy == "strict" else max
        return pick((first, *bounding), key=lambda each: each.value)

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
