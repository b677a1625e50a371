"""What the losses ask of their settings and inputs."""

from __future__ import annotations

from torch import Tensor

from facetrust.errors import UsageError


def above_zero(**settings: float) -> None:
    """Raises UsageError for the first setting that is not above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise UsageError(f"{name}: {value} is not above 0")


def within(low: float, high: float, **settings: float) -> None:
    """Raises UsageError for the first setting that is not between low and high, both included."""
    for name, value in settings.items():
        if not low <= value <= high:
            raise UsageError(f"{name}: {value} is not between {low:g} and {high:g}")


def same_width(what: str, student: Tensor, teacher: Tensor) -> None:
    """Raises UsageError when the last axes differ; `what` names the inputs and the module that adapts."""
    if student.shape[-1] != teacher.shape[-1]:
        raise UsageError(
            f"{what}: the student is {student.shape[-1]} wide, the teacher {teacher.shape[-1]}; "
            "use the module and call its adapt with example inputs first"
        )
