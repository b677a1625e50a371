"""A recipe's network becomes a task: its losses around it, its teachers beside it."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import torch
from torch import nn

from facetrust import models
from facetrust.data.targets import Labels, Target
from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.models.onnx import onnx
from facetrust.records import ModelCard, Preprocessing
from facetrust.tasks import objective_of, task_named
from facetrust.training.distillation import WeightedTeacher, distill, learns_from_teacher, looks_inside
from facetrust.training.flip_losses import Flip, flip
from facetrust.training.recipe import Recipe, Teacher
from facetrust.training.reward_tuning import RewardTuning

_log = logging.getLogger("facetrust")
STUDENT = "student"


class Assembly(NamedTuple):
    """What is trained, what each network looks at, and which teachers see the student's very pixels.

    `origins` says of each teacher where its weights come from.
    """

    task: nn.Module
    views: dict[str, Preprocessing]
    same: tuple[str, ...]
    contrast: int
    origins: dict[str, str]


def assemble(recipe: Recipe, model: nn.Module, target: Target | None = None) -> Assembly:
    """Returns the objective that a recipe sets a network, ready to be trained.

    Args:
        target: what the task learns from, which tells the objective such as the number of identities; labels
            if none is given.

    Raises:
        UsageError: teachers without a loss or a loss without teachers, or settings that do not fit.
        ModelError: a teacher cannot be used.
    """
    target = target or Labels()
    taught = {name: each for name, each in recipe.losses.items() if learns_from_teacher(name)}
    objective = objective_of(recipe.task)
    # Only distillation looks at what a network computes on the way.
    task: nn.Module = objective(
        model, recipe.losses, **target.settings, **({"inside": True} if looks_inside(taught) else {})
    )
    contrast = 2 if set(recipe.losses) & set(Flip.accepts) - set(task.accepts) else 0  # type: ignore[arg-type]
    if contrast:
        task = flip(task, recipe.losses)
    if recipe.reward is not None:
        if task_named(recipe.task).output != "classes":
            raise UsageError(f"reward: {recipe.task} does not answer with classes of pixels, which are drawn")
        task = RewardTuning(task, recipe.reward)
    _check_losses(recipe, {*objective_losses(task), *taught})
    if bool(recipe.teachers) != bool(taught):
        raise UsageError(
            "teachers and a loss that learns from them go together; one is set without the other"
        )
    views = {STUDENT: recipe.preprocessing}
    if not recipe.teachers:
        return Assembly(task, views, (), contrast, {})
    return _taught(recipe, model, task, views, contrast, taught, target)


def _check_losses(recipe: Recipe, known: set[str]) -> None:
    if unknown := set(recipe.losses) - known:
        raise UnknownName(f"loss that {recipe.task} takes", min(unknown), known | set(Flip.accepts))


def objective_losses(task: nn.Module) -> set[str]:
    """Returns the names of the losses that an objective, and what it wraps, takes."""
    inner = getattr(task, "task", None)
    return {*task.accepts, *(objective_losses(inner) if inner is not None else ())}  # type: ignore[misc]


def _taught(
    recipe: Recipe,
    model: nn.Module,
    task: nn.Module,
    views: dict[str, Preprocessing],
    contrast: int,
    losses: dict[str, dict[str, Any]],
    target: Target,
) -> Assembly:
    taught: dict[str, WeightedTeacher] = {}
    origins: dict[str, str] = {}
    for number, teacher in enumerate(recipe.teachers):
        name = f"teacher-{number}"
        network, views[name], origins[name] = _teacher(teacher, recipe)
        taught[name] = WeightedTeacher(network, teacher.weight)
        if teacher.classes:
            copy_class_embeddings(network, model, teacher.path)
    same = tuple(name for name, one in zip(taught, recipe.teachers, strict=True) if one.sees == STUDENT)
    wrapped = distill(task, taught, losses)
    if "classes" in wrapped.wanted and len(same) < len(taught):
        raise UsageError(
            "classes of pixels can only be compared on the pixels that the student sees; set sees: student"
        )
    wrapped.adapt(_example(views, contrast, target))
    return Assembly(wrapped, views, same, contrast, origins)


def _teacher(teacher: Teacher, recipe: Recipe) -> tuple[nn.Module, Preprocessing, str]:
    if teacher.path.startswith("timm/"):
        how = teacher.preprocessing or recipe.preprocessing
        _log.warning("teacher %s: its head was never trained; give the folder of a run instead", teacher.path)
        made = models.create_model(teacher.path, image_size=how.size, **teacher.settings)
        return made, how, f"{teacher.path} under seed {recipe.seed}"
    if teacher.path.endswith(".onnx"):
        exported = onnx(teacher.path)
        card: ModelCard = exported.card
        model: nn.Module = exported
    else:
        model, card = models.load_checkpoint(teacher.path)
    if card.task != recipe.task:
        raise ModelError(f"teacher {teacher.path}: was made for {card.task}, the recipe is for {recipe.task}")
    return model, card.preprocessing, card.sha256


def copy_class_embeddings(teacher: nn.Module, student: nn.Module, path: str) -> None:
    """Gives a folded student the class embeddings of its teacher, whose run or file is `path`.

    Raises:
        UsageError: one of them has no class embeddings.
    """
    if not hasattr(teacher, "class_embeddings") or not hasattr(student, "take_classes"):
        raise UsageError(
            f"teacher {path}: classes can only be handed from a clip or flip model to a folded one"
        )
    with torch.no_grad():
        student.take_classes(teacher.class_embeddings())  # type: ignore[operator]


def _example(views: dict[str, Preprocessing], contrast: int, target: Target) -> dict[str, Any]:
    """Returns a batch of two noisy faces in the shapes that training will bring."""
    draw = torch.Generator().manual_seed(0)
    count = {name: 1 if name == STUDENT else len(how.margins) for name, how in views.items()}
    seen = {name: torch.randn(2, count[name], 3, *how.size, generator=draw) for name, how in views.items()}
    for number in range(contrast):
        seen[f"contrast-{number}"] = seen[STUDENT]
    return {
        "views": seen,
        "target": torch.from_numpy(target.example(views[STUDENT].size)),
        "mask": torch.zeros_like(seen[STUDENT][:, :, 0]),
    }
