"""Options of `check` whose text holds more than one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facetrust.errors import UsageError
from facetrust.tasks import task_named, task_names

if TYPE_CHECKING:
    from facetrust.runtime.model import Model


def models_by_task(
    models: Sequence[str], tasks: Sequence[str], *, threads: int = 1
) -> dict[str, str | Model]:
    """Returns task → model for `--model TASK=FILE`; `--model FILE` is for the one task asked, or its card's.

    Raises:
        UsageError: a model is for a task that is not asked, or the second for one.
        ModelError: a file whose card has to be read cannot be used.
    """
    from facetrust.runtime.model import load_model

    given: dict[str, str | Model] = {}
    for entry in models:
        task, equals, name = entry.partition("=")
        model: str | Model = name
        if not equals or task not in task_names():
            model = entry if len(tasks) == 1 else load_model(entry, threads=threads)
            task = tasks[0] if isinstance(model, str) else model.card.task
        if task not in tasks:
            raise UsageError(f"--model {entry}: is for {task}, which is not asked; add --task {task}")
        if task in given:
            raise UsageError(f"--model {entry}: there is a model for {task} already; give one")
        given[task] = model
    return given


def model_files_by_task(models: Sequence[str], tasks: Sequence[str]) -> dict[str, str]:
    """Returns what `models_by_task` does, but names and files as they were given, and keeps none open."""
    entries: dict[str, str] = {}
    for entry, (task, model) in zip(models, models_by_task(models, tasks).items(), strict=True):
        entries[task] = model if isinstance(model, str) else entry
    return entries


def thresholds_by_task(thresholds: Sequence[str], tasks: Sequence[str]) -> dict[str, float]:
    """Returns task → threshold for `--threshold TASK=VALUE`; `--threshold VALUE` is for all with scores.

    Raises:
        UsageError: no number, a task that is not asked, or two values for one.
    """
    given: dict[str, float] = {}
    everywhere: dict[str, float] = {}
    for entry in thresholds:
        task, equals, value = entry.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            raise UsageError(f"--threshold {entry}: {value!r} is not a number above 0 and below 1") from None
        if equals and task not in tasks:
            raise UsageError(f"--threshold {entry}: is for {task}, which is not asked; add --task {task}")
        scored = [name for name in tasks if task_named(name).output == "score"]
        values, names = (given, [task]) if equals else (everywhere, scored)
        if any(name in values for name in names):
            raise UsageError(f"--threshold {entry}: there is a value for that already; give one")
        values.update(dict.fromkeys(names, number))
    return everywhere | given
