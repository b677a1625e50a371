"""Recipes: what is trained, on what and how; strict YAML, found by name, overridden by `key=value`."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from facetrust.errors import MissingExtra, UnknownName, UsageError
from facetrust.records import Preprocessing, Record
from facetrust.tasks import task_named

# Many times what the longest recipe needs.
_MOST_BYTES, _MOST_VALUES, _DEEPEST = 2**20, 10_000, 50


class ModelSettings(Record):
    """A network by the name that `create_model` takes, and its settings.

    begin: folder of a finished run of the same network, whose weights training begins with.
    """

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)
    begin: str = ""


class Augment(Record):
    """How training pictures are varied; chances in [0, 1].

    pairs: every picture drawn comes as it is and manipulated, side by side in the batch; `simulate` is
    then not used.
    style: `any-camera` varies light, tint, sharpness and coding widely; `turn` and `codecs` need it, and
    `matched` but for pairs.
    draws: number of different augmentations of a picture, 0 for a new one every epoch. Where it is
    set, teachers that see what the student sees are asked once about each.
    tilt: degrees that a picture is turned by at most, either way.
    region: names of classes of the rows' masks, such as skin and nose; they bound the manipulations where a
    row has a mask, instead of an outline by five points.
    decoder: .onnx file of a trained autoencoder, whose pictures are the species `decoded`.
    """

    simulate: float = Field(default=0.0, ge=0, le=1)
    species: tuple[str, ...] = ("print", "replay")
    strength: float = Field(default=1.0, ge=0, le=1.5)
    tight: float = Field(default=0.0, ge=0, le=1)
    margins: tuple[float, float] | None = None
    style: Literal["camera", "any-camera", "flip"] = "camera"
    turn: float = Field(default=0.0, ge=0, le=1)
    tilt: float = Field(default=0.0, ge=0, le=180)
    matched: float = Field(default=0.0, ge=0, le=1)
    codecs: tuple[str, ...] = Field(default=("jpeg",), min_length=1)
    draws: int = Field(default=0, ge=0)
    pairs: bool = False
    region: tuple[str, ...] = ()
    decoder: Path | None = None


class Data(Record):
    """Where samples come from; paths are relative to the working directory.

    manifests: give training and development rows. extra: training rows only. dev: development rows only, of
    both labels whatever `genuine_only` says.
    balance: draw both labels of a domain equally often. shares: how often each domain is drawn
    (the others by size). length: draws per epoch. per_group: so many of each (domain, label) in
    every batch, which decides its size (`trainer.batch_size` can only say the same); balance and shares are
    then not used. simulate_dev: chance
    that a bona fide development sample is turned into an attack, for domains that have none.
    classes: names of the masks' classes, in the order of their indices, for a task that learns from masks.
    controls: development rows are measured twice more, with white balance and gain drawn anew (`neutral`) and
    live and attack blurred to one sharpness (`matched`, see `data.augment.harmless`); such as `auc-matched`.
    genuine_only: leave out the rows that are not bona fide (not of `dev`); all that is learnt then comes from
    simulation.
    """

    manifests: tuple[Path, ...] = Field(min_length=1)
    extra: tuple[Path, ...] = ()
    dev: tuple[Path, ...] = ()
    balance: bool = True
    shares: dict[str, float] = Field(default_factory=dict)
    length: int | None = Field(default=None, ge=1)
    per_group: int | None = Field(default=None, ge=1)
    genuine_only: bool = False
    classes: tuple[str, ...] = ()
    augment: Augment = Augment()
    simulate_dev: float = Field(default=0.0, ge=0, le=1)
    controls: bool = False


class Teacher(Record):
    """A finished run's folder, an ONNX file with a card, or a `timm/...` name with its settings.

    weight: share in the averaged logit. preprocessing: for a `timm/...` name; the student's if none.
    sees: `clean`, the whole face undisturbed in its own crops, or `student`, the very pixels that the
    student sees (maps and features can only be compared on these). classes: hand its class
    embeddings to the student before training. inherit: the student, narrower and of the same layout, begins
    with this teacher's channels (`training.inheritance`).
    """

    path: str
    weight: float = Field(default=1.0, gt=0)
    settings: dict[str, Any] = Field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    sees: Literal["clean", "student"] = "clean"
    classes: bool = False
    inherit: bool = False


class Reward(Record):
    """Tuning by what answers are worth (`training.reward_tuning`); for tasks with classes of pixels.

    kind: `f1`, mean F1 of the foreground, or `panoptic`, its panoptic quality by segments. samples: answers
    drawn of each picture. weight: of the reward's loss. likelihood: factor of the task's own loss, which
    keeps the network near what it knows. false_positives: weight of the rate of false pixels, or segments.
    stray: of `f1`, a class that is answered and not in the mask is worth 0; if not, only w punishes it.
    scaling: log-probabilities are summed over the pixels (`sum`: the gradient is that of the expected reward
    itself, so that a weight of 1 weighs as much as a soft F1's), or that is divided by their number
    (`pixel`). advantages: of a `picture` as a whole, or of each `class`, which has less variance.
    """

    kind: Literal["f1", "panoptic"] = "f1"
    samples: int = Field(default=2, ge=2, le=64)
    weight: float = Field(default=1.0, gt=0)
    likelihood: float = Field(default=0.1, ge=0)
    false_positives: float = Field(default=0.0, ge=0)
    stray: bool = True
    scaling: Literal["sum", "pixel"] = "sum"
    advantages: Literal["picture", "class"] = "picture"

    @model_validator(mode="after")
    def _stray_is_of_f1(self) -> Reward:
        if self.kind == "panoptic" and not self.stray:
            raise ValueError("stray is of kind f1; leave it out with kind panoptic")
        return self


class Optimizer(Record):
    """Linear warm-up over `warmup` epochs, then a cosine down to `final` times the rate (1: constant).

    name: `adam` couples weight decay with the gradient (L2), as FLIP does; `adamw` does not.
    decay_all: norms, biases and other vectors decay too, as FLIP's do, not only matrices.
    """

    name: Literal["adamw", "adam"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    decay_all: bool = False
    warmup: float = Field(default=0.5, ge=0)
    final: float = Field(default=0.01, ge=0, le=1)


class Training(Record):
    """The loop. precision: a Lightning name, or auto (mixed on a GPU). flags: further Trainer arguments.

    batch_size: of all processes together; 64, or what `data.per_group` makes, if none is given.
    decoded: folder that pictures are kept in as they were decoded, for later epochs and runs.
    clip: largest gradient norm, 0 for none. ema: decay of the averaged weights, 0 for none.
    choose: which of the task's development figures picks the epoch that is kept (if none, its first; several
    are joined by `+`), or `last`. keep: `all` keeps the weights of
    every epoch, for an evaluation that chooses among them.
    """

    epochs: int = Field(default=10, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    workers: int = Field(default=2, ge=0)
    decoded: Path | None = None
    clip: float = Field(default=1.0, ge=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    precision: str = "auto"
    choose: str = ""
    keep: Literal["best", "all"] = "best"
    flags: dict[str, Any] = Field(default_factory=dict)


class Recipe(Record):
    """All that decides a training run. `name` and `terms` go into the card.

    task: the question that is learnt. losses: by the name of a file in `losses/`, its `weight` (1 if none
    is given) and its settings, as in `{feature-distillation: {weight: 2000}}`; a number is a weight. The
    task takes its own (its main loss counts with weight 1 if it is not named), teachers those that learn from
    one.

    reward: tunes by the worth of drawn answers, beginning with a trained network (`model.begin`).

    cache: where teachers' answers are kept, if they come again: `run`, in the run's folder; `none`, they
    are asked at every step; or a folder that runs share.
    """

    name: str = ""
    terms: str = "not stated"
    task: str
    model: ModelSettings
    preprocessing: Preprocessing = Preprocessing()
    data: Data
    losses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    teachers: tuple[Teacher, ...] = ()
    reward: Reward | None = None
    optimizer: Optimizer = Optimizer()
    trainer: Training = Training()
    cache: str = "run"
    seed: int = Field(default=0, ge=0)

    @field_validator("losses", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        """A number stands for a loss's weight alone."""
        if not isinstance(value, dict):
            return value
        return {
            name: {"weight": each} if isinstance(each, int | float) else each for name, each in value.items()
        }

    def to_yaml(self) -> str:
        """Returns the recipe with every default written out; loading it gives an equal recipe."""
        return str(_yaml().safe_dump(self.model_dump(mode="json"), sort_keys=False))


def recipe_names() -> list[str]:
    """Returns the names of the recipes that come with the package, such as `antispoof/teacher-nuaa`."""
    root = Path(str(files("facetrust"))) / "recipes"
    return sorted(str(path.relative_to(root).with_suffix("").as_posix()) for path in root.rglob("*.yaml"))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Returns a recipe by name (`antispoof/teacher-nuaa`, or its last part if that is unique) or by path.

    Args:
        overrides: `section.key=value`, the value as YAML; `teachers.0.weight=2` reaches into lists.

    Raises:
        UnknownName: no such recipe.
        UsageError: not YAML, an unknown key (the nearest is named), or a value of the wrong kind.
    """
    path = _find(str(name))
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise UsageError(f"{path}: is larger than {_MOST_BYTES:,} bytes, and so no recipe")
    content = _read(text, str(path))
    if not isinstance(content, dict):
        raise UsageError(f"{path}: is not a recipe; a recipe is a YAML mapping with at least model and data")
    content.setdefault("name", path.stem)
    for override in overrides:
        _override(content, override)
    return check_recipe(content, str(path))


def check_recipe(content: dict[str, Any], source: str) -> Recipe:
    """Returns the recipe in a plain mapping; `source` names it in errors.

    Raises:
        UnknownName: no such task.
        UsageError: an unknown key, a missing one, or a value of the wrong kind.
    """
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the recipe"
        if where == "losses" or where.startswith("losses."):
            raise UsageError(
                f"{source}: {where}: losses are names with settings, as binary-cross-entropy: {{weight: 1}}"
            ) from None
        if first["type"] == "extra_forbidden":
            known = sorted(_fields(first["loc"][:-1]))
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"{source}: unknown key {where!r}; {hint}") from None
        raise UsageError(f"{source}: {where}: {first['msg']}") from None
    task_named(recipe.task)
    return recipe


def _find(name: str) -> Path:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UsageError(f"{path}: no such recipe file")
        return path
    known = recipe_names()
    matches = [full for full in known if full == name] or [
        full for full in known if full.split("/")[-1] == name
    ]
    if len(matches) != 1:
        raise UnknownName("recipe", name, matches or known)
    return Path(str(files("facetrust"))) / "recipes" / f"{matches[0]}.yaml"


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {override}: write section.key=value")
    value = _read(text.encode(errors="surrogateescape"), f"--set {key}")
    *parents, last = key.split(".", _DEEPEST)
    place: Any = content
    try:
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise UsageError(f"--set {override}: nothing lies at {key!r}") from None


def _read(text: bytes, source: str) -> Any:
    """Returns the value in a YAML text, which is measured before anything is built of it.

    An alias counts as much as what it stands for, so that a few lines cannot unfold into gigabytes.

    Raises:
        UsageError: it is no YAML, is nested too deeply or holds too many values; `source` names it.
    """
    yaml = _yaml()
    count, begun, sizes = 0, [], {}
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                begun.append((event.anchor, count))
                sizes[event.anchor] = _MOST_VALUES  # until its end is known: it may not hold itself
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = begun.pop()
                sizes[anchor] = count - before
            elif isinstance(event, yaml.AliasEvent):
                count += sizes.get(event.anchor, 0)
            count += isinstance(event, yaml.NodeEvent)
            if len(begun) > _DEEPEST or count > _MOST_VALUES:
                raise UsageError(
                    f"{source}: is nested more than {_DEEPEST} deep, or holds more than {_MOST_VALUES:,} "
                    "values with its aliases written out"
                )
        return yaml.safe_load(text)
    except UsageError:
        raise
    except Exception as error:  # A number or a date that is none makes PyYAML raise many kinds.
        raise UsageError(f"{source}: is not YAML ({' '.join(str(error).split())[:200]})") from None


def _fields(loc: Sequence[int | str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in loc:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in typing.get_args(annotation) if (found := _model_in(arg))), None)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingExtra("PyYAML", "train") from None
    return yaml
