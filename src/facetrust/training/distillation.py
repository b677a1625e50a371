"""Distillation: wraps a task, adds what its teachers say of the same faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.losses import arguments_of, loss_module, settings_in, weight_of
from facetrust.models import Inside, attention_of, images_of, look_inside, mean_logits, over_crops
from facetrust.training.wrapper import Wrapper

_STUDENT, _TEACHER = "student_", "teacher_"
# What lies in a network as one tensor a layer; kept and handed on as one tensor, split for the losses.
_AVERAGED = {"logits", "classes"}  # What several teachers can say together.
_LAYERED = ("hidden", "queries", "keys", "values")


class WeightedTeacher(NamedTuple):
    """A teacher and its share in the averaged logit."""

    model: nn.Module
    weight: float = 1.0


def distill(
    task: nn.Module, teachers: Mapping[str, WeightedTeacher], losses: Mapping[str, Mapping[str, Any]]
) -> Distill:
    """Returns the task with weighted distillation losses added to its own.

    Args:
        task: its forward gives a dict with `loss` and `outputs`, and `inside` if a loss looks further
            than the logits (`looks_inside`); it has `weights` by loss name.
        teachers: by the name of the view that each looks at. Their logits are averaged by weight;
            all other losses learn from a single teacher.
        losses: by the name of a file in `losses/`: its settings, and its `weight` (1 if none is given).
            The names of a loss's arguments say what it is given.

    Raises:
        UsageError: no teacher, several where one is needed, or a setting that a loss does not have.
        UnknownName: no such loss.
    """
    return Distill(task, teachers, losses)


def looks_inside(losses: Mapping[str, Any]) -> bool:
    """Returns whether any of the losses wants more of the student than its logits and class embeddings."""
    return bool(_wanted(losses, _STUDENT) - {*_AVERAGED, "text"})


def learns_from_teacher(name: str) -> bool:
    """Returns whether a loss is given something of a teacher.

    Raises:
        UnknownName: no such loss.
    """
    return bool(_wanted([name], _TEACHER))


class Distill(Wrapper):
    """Teachers only answer: evaluation mode, no gradient, and no place in this module's state."""

    def __init__(
        self,
        task: nn.Module,
        teachers: Mapping[str, WeightedTeacher],
        losses: Mapping[str, Mapping[str, Any]],
    ) -> None:
        super().__init__(task)
        if not teachers or not losses:
            raise UsageError(
                "distillation needs at least one teacher and one loss; add it, or leave both out"
            )
        self.wanted = _wanted(losses, _TEACHER)
        if len(teachers) > 1 and (single := self.wanted - _AVERAGED):
            raise UsageError(
                f"{len(teachers)} teachers: only logits are averaged; a loss wants the {min(single)} of one"
            )
        # A plain dict: teachers are neither trained, nor saved, nor switched to training mode.
        self.teachers = {
            view: WeightedTeacher(teacher.model.eval().requires_grad_(False), teacher.weight)
            for view, teacher in teachers.items()
        }
        weights = {name: weight_of(losses, name) for name in losses}
        self.losses = nn.ModuleDict({name: loss_module(name, **settings_in(losses, name)) for name in losses})
        # Looked up once: the step is no place to read signatures.
        self._takes = {name: arguments_of(name) for name in losses}
        self._of_student = _wanted(losses, _STUDENT)
        self._classes: Tensor | None = None
        self.weights: dict[str, float] = {**task.weights, **weights}  # type: ignore[dict-item]

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the task's parts and one more a loss, `loss` the weighted sum of all.

        The teachers are asked, unless the batch brings what they said before as `taught`.
        """
        parts: dict[str, Any] = self.task(batch)
        taught = batch["taught"] if "taught" in batch else self.ask(batch["views"])
        given = self._inputs(parts, taught, batch["target"])
        # Differences of probabilities and cosines times 100 need more than half precision.
        with torch.autocast(batch["target"].device.type, enabled=False):
            terms = {name: loss(*given[name]) for name, loss in self.losses.items()}
        loss = parts["loss"] + sum(self.weights[name] * term for name, term in terms.items())
        return {**parts, **terms, "loss": loss}

    @property
    def tells_heads_apart(self) -> bool:
        """Whether any loss looks at single attention heads; else their mean is all that is kept."""
        return any(getattr(loss, "heads", "mean") != "mean" for loss in self.losses.values())

    def adapt(self, batch: dict[str, Any]) -> None:
        """Makes the layers that losses learn (projections, mixed heads), for inputs like this batch.

        To be called once, before the optimizer is made.
        """
        training = self.training
        self.eval()
        with torch.no_grad():
            given = self._inputs(self.task(batch), self.ask(batch["views"]), batch["target"])
        self.train(training)
        for name, loss in self.losses.items():
            if hasattr(loss, "adapt"):
                loss.adapt(*given[name])  # type: ignore[operator]

    @torch.no_grad()
    def ask(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns what the losses want of the teachers, by name, each (B, …) float32.

        `logits` (B,), or those of `classes` (B * M, C, h, w), averaged by weight; `embedding` (B, d);
        `attention` (B, L, H, N, N), H = 1 where no loss tells heads apart; `hidden` (B, L, N, c); `queries`,
        `keys`, `values` (B, L, H, N, e); `map` (B, c, h, w).

        Args:
            views: by teacher, (B, M, 3, h, w); answers are averaged over the M crops.
        """
        if self.wanted <= {"logits", "text"}:
            return {"logits": self._averaged(views, mean_logits)}
        if "classes" in self.wanted:
            return {"classes": self._averaged(views, lambda model, crops: model(images_of(crops)).logits)}
        ((view, teacher),) = self.teachers.items()
        crops = views[view]
        inside = look_inside(teacher.model.to(crops.device), crops.flatten(0, 1))
        found = self._seen(inside, self.wanted, crops.shape[1])
        return {name: torch.stack(value, 1) if name in _LAYERED else value for name, value in found.items()}

    def _averaged(self, views: Mapping[str, Tensor], say: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        shares = sum(teacher.weight for teacher in self.teachers.values())
        total = torch.zeros(())
        for view, teacher in self.teachers.items():
            crops = views[view]
            answer = say(teacher.model.to(crops.device), crops)
            total = total.to(crops.device) + teacher.weight * answer
        return total / shares

    def _inputs(
        self, parts: dict[str, Any], taught: Mapping[str, Tensor], labels: Tensor
    ) -> dict[str, list[Any]]:
        """Returns each loss's arguments, in the order of its signature."""
        outputs = parts["outputs"].float()
        known: dict[str, Any] = {"labels": labels, "student_logits": outputs, "student_classes": outputs}
        if inside := parts.get("inside"):
            seen = self._seen(inside, self._of_student, len(inside.embedding) // len(labels))
            known |= {_STUDENT + name: value for name, value in seen.items()}
        for name, value in taught.items():
            known[_TEACHER + name] = list(value.unbind(1)) if name in _LAYERED else value
        if "classes" in taught:  # A teacher may answer at another size than the student.
            known["teacher_classes"] = _at_size(taught["classes"], outputs)
        if "text" in self.wanted:
            if self._classes is None:  # a frozen teacher's never change; its text tower runs once
                (teacher,) = self.teachers.values()
                self._classes = _classes_of(teacher.model).detach()
            self._classes = self._classes.to(labels.device)
            student = _classes_of(self.task.model)  # type: ignore[arg-type]
            known |= {
                "teacher_text": _class_of_each(self._classes, labels),
                "student_text": _class_of_each(student, labels),
            }
        return {loss: [known[argument] for argument in takes] for loss, takes in self._takes.items()}

    def _seen(self, inside: Inside, wanted: set[str], crops: int) -> dict[str, Any]:
        """Returns the parts of an inside by name, float32, averaged over the crops of a face."""
        found: dict[str, Any] = {}
        for name in wanted - {"text"}:
            if name == "logits":
                found[name] = over_crops(inside.output.logit, crops)
            elif name == "attention":
                maps = attention_of(inside)
                found[name] = over_crops(
                    maps if self.tells_heads_apart else maps.mean(2, keepdim=True), crops
                )
            elif name in _LAYERED:
                layers = getattr(inside, name)
                if not layers:
                    raise UsageError(f"{name}: the network has no transformer layers to compare")
                found[name] = [over_crops(layer, crops) for layer in layers]
            elif name == "map":
                if inside.map is None:
                    raise UsageError("map: the network keeps no feature map to compare")
                found[name] = over_crops(inside.map, crops)
            else:
                found[name] = over_crops(getattr(inside, name), crops)
        return found


def _at_size(maps: Tensor, like: Tensor) -> Tensor:
    if maps.shape[-2:] == like.shape[-2:]:
        return maps
    return functional.interpolate(maps.float(), like.shape[-2:], mode="bilinear", align_corners=False)


def _class_of_each(classes: Tensor, labels: Tensor) -> Tensor:
    """Returns each sample's own class embedding (B, d) of the two, in the order attack, bona fide."""
    return classes[1 - labels.long()]


def _classes_of(model: nn.Module) -> Tensor:
    if not hasattr(model, "class_embeddings"):
        raise UsageError(
            f"{type(model).__name__} has no class embeddings, which a loss wants; take clip or flip"
        )
    return model.class_embeddings().float()  # type: ignore[operator,no-any-return]


def _wanted(losses: Iterable[str], side: str) -> set[str]:
    """Returns what losses are given of one side, by their arguments' names without it."""
    names = {name for loss in losses for name in arguments_of(loss)}
    return {name.removeprefix(side) for name in names if name.startswith(side)}
