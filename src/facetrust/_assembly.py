"""A recipe's network becomes a task: its losses around it, its teachers beside it."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import torch
from torch import nn

from facetrust import models, registry
from facetrust.errors import ModelError, UsageError
from facetrust.models.onnx import onnx
from facetrust.recipe import Recipe, Teacher
from facetrust.records import ModelCard, Preprocessing
from facetrust.tasks.distill import Taught, distill, looks_inside
from facetrust.tasks.flip import flip

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


def assemble(recipe: Recipe, model: nn.Module) -> Assembly:
    """Returns the task that a recipe sets a network, ready to be trained.

    Raises:
        UsageError: teachers without a loss or a loss without teachers, or settings that do not fit.
        ModelError: a teacher cannot be used.
    """
    losses = recipe.losses
    task: nn.Module = registry.build(
        "tasks",
        recipe.task,
        model,
        weight=losses.supervised,
        smoothing=losses.smoothing,
        evidence=losses.evidence,
        inside=looks_inside(losses.distillation),
    )
    contrast = 2 if losses.contrastive or losses.consistency else 0
    if contrast:
        task = flip(
            task, contrastive=losses.contrastive, consistency=losses.consistency, subsets=losses.subsets
        )
    if bool(recipe.teachers) != bool(losses.distillation):
        raise UsageError("teachers and losses.distillation go together; one is set without the other")
    views = {STUDENT: recipe.preprocessing}
    if not recipe.teachers:
        return Assembly(task, views, (), contrast, {})
    return _taught(recipe, model, task, views, contrast)


def _taught(
    recipe: Recipe, model: nn.Module, task: nn.Module, views: dict[str, Preprocessing], contrast: int
) -> Assembly:
    taught: dict[str, Taught] = {}
    origins: dict[str, str] = {}
    for number, teacher in enumerate(recipe.teachers):
        name = f"teacher-{number}"
        network, views[name], origins[name] = _teacher(teacher, recipe)
        taught[name] = Taught(network, teacher.weight)
        if teacher.classes:
            _hand_over(network, model, teacher.path)
    same = tuple(name for name, one in zip(taught, recipe.teachers, strict=True) if one.sees == STUDENT)
    wrapped = distill(task, taught, recipe.losses.distillation)
    wrapped.adapt(_example(views, contrast))
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


def _hand_over(teacher: nn.Module, student: nn.Module, path: str) -> None:
    if not hasattr(teacher, "class_embeddings") or not hasattr(student, "take_classes"):
        raise UsageError(
            f"teacher {path}: classes can only be handed from a clip or flip model to a folded one"
        )
    with torch.no_grad():
        student.take_classes(teacher.class_embeddings())  # type: ignore[operator]


def _example(views: dict[str, Preprocessing], contrast: int) -> dict[str, Any]:
    """Returns a batch of two noisy faces in the shapes that training will bring."""
    draw = torch.Generator().manual_seed(0)
    count = {name: 1 if name == STUDENT else len(how.margins) for name, how in views.items()}
    seen = {name: torch.randn(2, count[name], 3, *how.size, generator=draw) for name, how in views.items()}
    for number in range(contrast):
        seen[f"contrast-{number}"] = seen[STUDENT]
    return {
        "views": seen,
        "label": torch.tensor([0.0, 1.0]),
        "mask": torch.zeros_like(seen[STUDENT][:, :, 0]),
    }
