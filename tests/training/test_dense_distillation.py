"""Teachers of class masks: pixel by pixel and class by class, by networks and exported files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.export.onnx import export
from facetrust.losses.channel_distillation import channel_distillation
from facetrust.losses.pixel_distillation import pixel_distillation
from facetrust.models import Classes, create_model, save_checkpoint
from facetrust.models.onnx import onnx
from facetrust.records import ModelCard, Preprocessing
from facetrust.tasks.parsing.objective import objective
from facetrust.training.assembly import assemble
from facetrust.training.distillation import WeightedTeacher, distill, looks_inside
from facetrust.training.recipe import check_recipe

NAMES = ("background", "skin", "hair")
LOSSES = {"pixel-distillation": {"weight": 0.5, "temperature": 2.0}, "channel-distillation": {"weight": 3.0}}
NETWORK = ("fpn-mobilenetv3_small_050", {"image_size": (64, 64), "classes": 3, "width": 8})
CARD = ModelCard(
    name="t",
    task="parsing",
    architecture=NETWORK[0],
    preprocessing=Preprocessing(size=(64, 64)),
    score_means="any",
    classes=NAMES,
)


class Painted(nn.Module):
    """Logits from the three channels, times a learnt factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, images: Tensor) -> Classes:
        return Classes(self.factor * images)


@pytest.fixture
def batch() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    student, small = (torch.randn(2, 1, 3, size, size, generator=draw) for size in (8, 4))
    target = torch.randint(0, 3, (2, 1, 8, 8), generator=draw)
    return {"views": {"student": student, "same": student, "small": small}, "target": target}


def test_neither_loss_looks_inside_the_networks():
    assert not looks_inside(LOSSES)


def test_the_loss_is_the_sum_of_its_parts_and_trains_the_student_alone(batch):
    student, teacher = Painted(1.0), Painted(2.0)
    task = distill(objective(student, classes=NAMES), {"same": WeightedTeacher(teacher)}, LOSSES)
    parts = task(batch)
    images = batch["views"]["student"][:, 0]
    pixel = pixel_distillation(images, 2 * images, temperature=2.0)
    channel = channel_distillation(images, 2 * images)
    torch.testing.assert_close(parts["pixel-distillation"], pixel)
    torch.testing.assert_close(parts["channel-distillation"], channel)
    torch.testing.assert_close(parts["loss"], parts["cross-entropy"] + 0.5 * pixel + 3 * channel)
    parts["loss"].backward()
    assert student.factor.grad.abs() > 0
    assert teacher.factor.grad is None


def test_a_teacher_may_see_and_answer_smaller(batch):
    task = distill(objective(Painted(1.0), classes=NAMES), {"small": WeightedTeacher(Painted(2.0))}, LOSSES)
    enlarged = functional.interpolate(2 * batch["views"]["small"][:, 0], (8, 8), mode="bilinear")
    expected = channel_distillation(batch["views"]["student"][:, 0], enlarged)
    torch.testing.assert_close(task(batch)["channel-distillation"], expected)


def test_several_teachers_are_averaged_by_weight(batch):
    teachers = {"student": WeightedTeacher(Painted(1.0), 3.0), "same": WeightedTeacher(Painted(5.0), 1.0)}
    task = distill(objective(Painted(1.0), classes=NAMES), teachers, LOSSES)
    torch.testing.assert_close(task.ask(batch["views"])["classes"], 2 * batch["views"]["student"][:, 0])


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run folder, and the file that it is exported to."""
    root = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    model = create_model(NETWORK[0], **NETWORK[1])
    save_checkpoint(model, CARD, root / "run", settings=NETWORK[1])
    export(model.eval(), CARD, root / "t.onnx")
    return {"run": root / "run", "file": root / "t.onnx"}


def recipe_of(path: Path, **teacher: Any) -> Any:
    content = {
        "task": "parsing",
        "model": {"name": NETWORK[0], "settings": {"classes": 3, "width": 8}},
        "data": {"manifests": ["m.csv"], "classes": list(NAMES)},
        "preprocessing": {"size": [64, 64]},
        "losses": {"pixel-distillation": 1.0},
        "teachers": [{"path": str(path), **teacher}],
    }
    return check_recipe(content, "test")


class Named:
    """What tells the objective of the classes."""

    settings = {"classes": NAMES}  # noqa: RUF012
    dense = True

    def example(self, size: tuple[int, int]) -> np.ndarray:
        return np.zeros((2, 1, *size), np.int64)


@pytest.mark.parametrize("kind", ["run", "file"])
def test_any_of_ours_and_any_file_teaches(kind, taught, batch):
    made = assemble(recipe_of(taught[kind], sees="student"), create_model(NETWORK[0], **NETWORK[1]), Named())
    view = torch.randn(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    answer = made.task.ask({"teacher-0": view})["classes"].softmax(1)
    model = create_model(NETWORK[0], **NETWORK[1])
    from facetrust.models import load_checkpoint

    model, _ = load_checkpoint(taught["run"])
    with torch.no_grad():
        torch.testing.assert_close(answer, model(view[:, 0]).logits.softmax(1), atol=1e-4, rtol=0)


def test_a_teacher_that_sees_other_pixels_is_refused(taught):
    with pytest.raises(UsageError, match="set sees: student"):
        assemble(recipe_of(taught["run"]), create_model(NETWORK[0], **NETWORK[1]), Named())


def test_an_exported_file_of_classes_gives_their_logits(taught):
    model = onnx(taught["file"])
    assert model.card.classes == NAMES
    logits = model(torch.randn(2, 3, 64, 64)).logits
    assert logits.shape == (2, 3, 64, 64)
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(2, 64, 64))
