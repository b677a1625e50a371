"""The questions, one folder each, always with the same files.

- `__init__.py`: `TASK`, the question's facts (`task.Task`).
- `objective.py`: `objective(model, **losses)`, a module that turns a batch into losses (needs PyTorch).
- `verdict.py`: `judge(output, card)`, which turns what a network says of one face into a record.

Another installed package adds a question by an entry point in the group `facetrust.tasks` that names such
a folder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facetrust import registry
from facetrust.errors import UsageError
from facetrust.tasks.task import Task

__all__ = ["Task", "judge_of", "objective_of", "task_named", "task_names"]


def task_names() -> list[str]:
    """Returns the names of all questions, sorted."""
    return registry.names("tasks")


def task_named(name: str) -> Task:
    """Returns a question's facts.

    Raises:
        UnknownName: no such question; the message gives the nearest name.
        UsageError: another package's module does not define one of this name.
    """
    task = getattr(registry.module("tasks", name), "TASK", None)
    if not isinstance(task, Task) or task.name != name:
        raise UsageError(f"task {name}: its module defines no TASK of that name; see facetrust.tasks")
    return task


def objective_of(name: str) -> Callable[..., Any]:
    """Returns `objective(model, **losses)` of a question; imports PyTorch."""
    return registry.module("tasks", name, "objective").objective  # type: ignore[no-any-return]


def judge_of(name: str) -> Callable[..., Any]:
    """Returns `judge(output, card)` of a question."""
    return registry.module("tasks", name, "verdict").judge  # type: ignore[no-any-return]
