"""What was asked: a model per task and a detector, those of the package opened once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.records import TaskName
from facetrust.runtime.detector import Detector, open_detector
from facetrust.runtime.session import Model, bundled, load_model

Given = Mapping[TaskName, str | Path | Model]

BUNDLED: dict[TaskName, str] = {"antispoof": "antispoof-tiny", "deepfake": "deepfake-tiny"}
FACE_TASKS: tuple[TaskName, ...] = ("antispoof", "deepfake")
PICTURE_TASKS: tuple[TaskName, ...] = ("synthetic",)
TASKS = (*FACE_TASKS, *PICTURE_TASKS)
# What is asked where no task is named: all about faces that needs nothing but the package.
DEFAULT_TASKS = tuple(task for task in FACE_TASKS if task in BUNDLED)


def models_for(tasks: Sequence[TaskName], given: Given | None, *, threads: int) -> dict[TaskName, Model]:
    """Returns an open model per task, in the order asked.

    Raises:
        UsageError: no task, one that is not known, or one without a model.
        ModelError: a model's file cannot be used, or is for another task.
    """
    asked = {task: _model_for(task, given or {}, threads=threads) for task in dict.fromkeys(tasks)}
    if not asked:
        raise UsageError("no task was asked for; give at least one, such as 'antispoof'")
    return asked


def detector_for(
    tasks: Sequence[TaskName], given: Detector | str | Path | None, *, threads: int
) -> Detector | None:
    """Returns the detector, or None where no task is about faces."""
    if not any(task in FACE_TASKS for task in tasks):
        return None
    if given is None:
        return _bundled_detector(threads)
    return open_detector(given, threads=threads) if isinstance(given, (str, Path)) else given


def _model_for(task: TaskName, given: Given, *, threads: int) -> Model:
    """The model for a task, whose card must be of that task."""
    if task not in TASKS:
        raise UnknownName("task that check can answer", task, TASKS)
    named = given.get(task, BUNDLED.get(task))
    if named is None:
        raise UsageError(f"no model for {task} is bundled; give one: models={{{task!r}: 'file.onnx'}}")
    if isinstance(named, Model):
        model = named
    else:
        shared = isinstance(named, str) and named in bundled()
        model = _bundled_model(str(named), threads) if shared else load_model(named, threads=threads)
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
