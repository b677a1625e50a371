"""What is asked: a model per task and a detector, those of the package opened once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from facetrust import model_file
from facetrust.errors import ModelError, UsageError
from facetrust.faces.detector import Detector, open_detector
from facetrust.records import Policy
from facetrust.runtime.model import Model, load_model
from facetrust.tasks import task_named, task_names
from facetrust.tasks.task import OutputKind

ModelChoice = Mapping[str, str | Path | Model]
Thresholds = float | Mapping[str, float]


def default_tasks() -> tuple[str, ...]:
    """Returns what is asked where no task is named: all about faces that a bundled model judges."""
    tasks = [task_named(name) for name in task_names()]
    available = set(model_file.bundled())
    return tuple(
        task.name
        for task in tasks
        if task.unit == "face" and task.output == "score" and task.bundled in available
    )


def default_embedder() -> str:
    """Returns the bundled model that faces are compared by: that of the first question with embeddings.

    Raises:
        UsageError: none is bundled.
    """
    return _bundled_with("embedding", "compares faces")


def default_parser() -> str:
    """Returns the bundled model that tells parts of faces apart: that of the first question with classes.

    Raises:
        UsageError: none is bundled.
    """
    return _bundled_with("classes", "finds parts of faces")


def _bundled_with(output: OutputKind, what: str) -> str:
    """The bundled model of the first question about faces with an output of that kind."""
    for task in map(task_named, task_names()):
        if task.unit == "face" and task.output == output and task.bundled in model_file.bundled():
            return str(task.bundled)
    raise UsageError(f"no model that {what} is bundled; give one: an .onnx file and its card")


def open_model_named(name: str | Path | Model, *, threads: int = 1) -> Model:
    """Returns an open model as it is, or that of a name or an .onnx file; a bundled one is opened once.

    Raises:
        UnknownName: no model of that name; the message gives the nearest one.
        ModelError: its file cannot be used.
    """
    if isinstance(name, Model):
        return name
    shared = isinstance(name, str) and name in model_file.bundled()
    return _bundled_model(str(name), threads) if shared else load_model(name, threads=threads)


def open_models(
    tasks: Sequence[str] | str,
    choice: ModelChoice | None = None,
    *,
    threads: int = 1,
    thresholds: Thresholds | None = None,
    policy: Policy | None = None,
) -> dict[str, Model]:
    """Returns an open model per task, in the order asked.

    Args:
        tasks: names, or a single one.
        choice: per task a model's name, an .onnx file or an open model; the bundled one without.
        thresholds: values to decide at instead of the cards': one for all tasks with scores, or per task.
        policy: which of its card's thresholds each model with scores decides at; an advisory one keeps its
            first.

    Raises:
        UnknownName: a task is not known; the message gives the nearest name.
        UsageError: no task, one without a model, a threshold for a task that is not asked or out of range,
            a policy that a card has no threshold for, or a policy and thresholds.
        ModelError: a model's file cannot be used, or is for another task.
    """
    names = [tasks] if isinstance(tasks, str) else list(dict.fromkeys(tasks))
    if not names:
        raise UsageError(f"no task was asked for; give at least one of {', '.join(task_names())}")
    for name in choice or {}:
        task_named(name)
    models = {name: _open(name, choice or {}, threads=threads) for name in names}
    if policy is not None:
        if thresholds:
            raise UsageError(
                "a policy picks one of the card's thresholds: give a policy or thresholds, not both"
            )
        # What an advisory model says decides nothing, and so its card need not have a threshold for a policy.
        return {name: model.with_policy(policy) if model.decides else model for name, model in models.items()}
    for name, value in _per_task(thresholds, models).items():
        models[name] = models[name].with_threshold(value)
    return models


def open_detector_for(
    models: Mapping[str, Model], choice: Detector | str | Path | None = None, *, threads: int = 1
) -> Detector | None:
    """Returns the detector, or None where no task is about faces."""
    if not any(model.task.unit == "face" for model in models.values()):
        return None
    if choice is None:
        return _bundled_detector(threads)
    return open_detector(choice, threads=threads) if isinstance(choice, (str, Path)) else choice


def _per_task(thresholds: Thresholds | None, models: Mapping[str, Model]) -> Mapping[str, float]:
    if thresholds is None or isinstance(thresholds, Mapping):
        for name in thresholds or {}:
            if name not in models:
                raise UsageError(f"threshold for {name}, which is not asked; asked: {', '.join(models)}")
        return thresholds or {}
    return {name: thresholds for name, model in models.items() if model.task.output == "score"}


def _open(task: str, choice: ModelChoice, *, threads: int) -> Model:
    """The model for a task, whose card must be of that task."""
    named = choice.get(task, task_named(task).bundled)
    if named is None or (task not in choice and named not in model_file.bundled()):
        raise UsageError(f"no model for {task} is bundled; give one: models={{{task!r}: 'file.onnx'}}")
    model = open_model_named(named, threads=threads)
    if model.card.task != task:
        raise ModelError(f"{model.name}: is a model for {model.card.task}, not for {task}")
    return model


# What comes with the package does not change, so that calling `check` in a loop opens it once.
@lru_cache(maxsize=8)
def _bundled_model(name: str, threads: int) -> Model:
    return load_model(name, threads=threads)


@lru_cache(maxsize=4)
def _bundled_detector(threads: int) -> Detector:
    return open_detector(threads=threads)
