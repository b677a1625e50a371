from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from facetrust.errors import ModelError, UsageError
from facetrust.models import create_model, load_checkpoint, save_checkpoint
from facetrust.records import ModelCard, Preprocessing
from facetrust.tasks._binary.objective import Binary
from facetrust.training.assembly import assemble
from facetrust.training.distillation import Distill
from facetrust.training.flip_losses import Flip
from facetrust.training.recipe import Recipe, check_recipe

SIZE = (32, 32)
LOGITS = {"logit-distillation": {"weight": 0.5}}


def recipe_of(**changes: Any) -> Recipe:
    content = {
        "task": "antispoof",
        "model": {"name": "clip-vit-t16", "settings": {"layers": 1}},
        "data": {"manifests": ["m.csv"]},
        "preprocessing": {"size": list(SIZE)},
    }
    return check_recipe({**content, **changes}, "test")


def student() -> nn.Module:
    return create_model("clip-vit-t16", layers=1, image_size=SIZE)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    settings = {"clip": "vit-s16", "layers": 1, "image_size": SIZE}
    card = ModelCard(
        name="t",
        task="antispoof",
        architecture="flip-it",
        preprocessing=Preprocessing(size=SIZE, margins=(1.2, 2.0)),
        score_means="any",
    )
    torch.manual_seed(0)
    save_checkpoint(create_model("flip-it", **settings), card, folder, settings=settings)
    return folder


def test_without_teachers_it_is_the_plain_task() -> None:
    made = assemble(recipe_of(losses={"binary-cross-entropy": 0.7}), student())
    assert isinstance(made.task, Binary)
    assert made.task.weights == {"binary-cross-entropy": 0.7}
    assert (made.same, made.contrast, made.origins, list(made.views)) == ((), 0, {}, ["student"])


def test_flips_losses_want_two_more_views() -> None:
    model = create_model("flip-mcl", clip="vit-t16", layers=1, image_size=SIZE)
    made = assemble(recipe_of(losses={"nt-xent": 1, "view-consistency": 0.5}), model)
    assert isinstance(made.task, Flip)
    assert made.contrast == 2
    assert made.task.weights == {"binary-cross-entropy": 1.0, "nt-xent": 1.0, "view-consistency": 0.5}


def test_a_teacher_brings_its_own_view_and_its_weights_hash(teacher: Path) -> None:
    made = assemble(recipe_of(losses=LOGITS, teachers=[{"path": str(teacher)}]), student())
    assert isinstance(made.task, Distill)
    assert made.views["teacher-0"].margins == (1.2, 2.0)
    assert made.origins == {"teacher-0": load_checkpoint(teacher)[1].sha256}
    assert made.same == ()


def test_it_is_ready_to_train_what_its_losses_learn(teacher: Path) -> None:
    losses = {"hidden-distillation": {}}
    teachers = [{"path": str(teacher), "sees": "student"}]
    made = assemble(recipe_of(losses=losses, teachers=teachers), student())
    assert made.same == ("teacher-0",)
    learnt = [p.shape for name, p in made.task.named_parameters() if name.startswith("losses.")]
    assert (384, 192) in learnt


def test_the_students_first_class_embeddings_are_its_teachers(teacher: Path) -> None:
    model = student()
    assemble(recipe_of(losses=LOGITS, teachers=[{"path": str(teacher), "classes": True}]), model)
    wanted = load_checkpoint(teacher)[0].class_embeddings()
    torch.testing.assert_close(model.class_embeddings(), wanted)


def test_what_does_not_go_together_is_named(teacher: Path) -> None:
    with pytest.raises(UsageError, match="go together"):
        assemble(recipe_of(losses=LOGITS), student())
    with pytest.raises(UsageError, match="go together"):
        assemble(recipe_of(teachers=[{"path": str(teacher)}]), student())
    handing = recipe_of(losses=LOGITS, teachers=[{"path": str(teacher), "classes": True}])
    with pytest.raises(UsageError, match="no class embeddings; set embedding"):
        assemble(handing, create_model("timm/mobilenetv3_small_050", image_size=SIZE))
    with pytest.raises(UsageError, match="classes can only be handed"):
        assemble(handing, create_model("minifasnet"))
    with pytest.raises(ModelError, match="no such folder"):
        assemble(recipe_of(losses=LOGITS, teachers=[{"path": "nowhere"}]), student())
