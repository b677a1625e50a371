"""Every recipe is found, reads strictly, and makes two training steps on a tiny synthetic set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facetrust
from facetrust.data.manifest import Manifest
from facetrust.models import create_model, load_checkpoint, save_checkpoint
from facetrust.records import ModelCard, Preprocessing, Sample
from facetrust.tasks import task_named
from facetrust.training.recipe import Recipe, load_recipe, recipe_names
from facetrust.training.train import train

FOLDER = Path(facetrust.__file__).parent / "recipes"
NAMES = recipe_names()
SIZE = (32, 32)  # Of the inputs of CLIP's towers.
LENGTH = 8  # Draws per epoch; in batches of four they make two steps.


def test_all_were_seen():
    assert {"antispoof/teacher-nuaa", "antispoof/student-nuaa"} <= set(NAMES)
    assert {f"antispoof/student-{kind}" for kind in ("none", "logit", "fd", "rkd", "attention")} <= set(NAMES)
    assert {f"deepfake/{name}" for name in ("tiny", "tiny-plain", "small")} <= set(NAMES)
    assert {f"parsing/{name}" for name in ("teacher", "small", "tiny", "tiny-distilled")} <= set(NAMES)
    assert {f"recognition/{name}" for name in ("tiny", "arcface", "distilled", "face-transformer")} <= set(
        NAMES
    )
    assert len(NAMES) >= 36
    assert len(NAMES) == sum(1 for path in FOLDER.rglob("*") if path.suffix in (".yaml", ".yml"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 12 noisy pictures with all that rows bring, its dev rows alone, and teachers' folders."""
    root = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(12):
        label, split = n % 2, "train" if n < 8 else "dev"
        pixels = rng.integers(0, 256 if label else 128, (60, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{n}.png")
        Image.fromarray(rng.integers(0, 19, (60, 60), dtype=np.uint8)).save(root / f"{n}.mask.png")
        rows.append(
            Sample(
                path=f"{n}.png",
                label=label,
                split=split,
                subject=f"s{n // 2}",
                domain="tiny",
                x=15,
                y=15,
                w=30,
                h=30,
                points=[(22, 25), (38, 25), (30, 32), (24, 38), (36, 38)],
                mask=f"{n}.mask.png",
            )
        )
    Manifest.write(rows, root / "m.parquet")
    Manifest.write(rows[8:], root / "dev.parquet")
    backbone = ("timm/mobilenetv3_small_050", {"image_size": (64, 64)})
    wide = ("sface", {"image_size": (112, 112), "widths": [12] * 14})
    for folder, task, name, settings in (
        ("antispoof", "antispoof", *backbone),
        ("deepfake", "deepfake", *backbone),
        ("parsing", "parsing", "fpn-mobilenetv3_small_050", {"image_size": (64, 64), "width": 16}),
        ("recognition", "recognition", *wide),
        ("sentences", "antispoof", "flip-it", {"clip": "vit-t16", "layers": 1, "image_size": SIZE}),
    ):
        card = ModelCard(
            name="t",
            task=task,
            architecture=name,
            preprocessing=load_recipe("recognition/tiny").preprocessing
            if task == "recognition"
            else Preprocessing(size=settings["image_size"]),
            score_means="any",
        )
        save_checkpoint(create_model(name, **settings), card, root / folder, settings=settings)
    return root


def begin_at(folder: str, recipe: Recipe, settings: dict, how: Preprocessing) -> None:
    """Writes the finished run that a recipe begins with: the same network, untrained."""
    built = {"image_size": how.size, **settings}
    if recipe.data.classes:
        built["classes"] = len(recipe.data.classes)
    card = ModelCard(
        name="t",
        task=recipe.task,
        architecture=recipe.model.name,
        preprocessing=how,
        score_means="any",
        classes=recipe.data.classes,
    )
    save_checkpoint(
        create_model(recipe.model.name, **built),
        card,
        Path(folder),
        settings=built,
    )


def small(name: str, tiny: Path) -> Recipe:
    """Returns a recipe with its model, losses and views as they are, on next to no data."""
    recipe = load_recipe(name)
    data = recipe.data.model_copy(
        update={
            "manifests": (tiny / "m.parquet",),
            "extra": (),
            "dev": (tiny / "dev.parquet",) if recipe.data.dev else (),
            "shares": {},
            "length": LENGTH,
        }
    )
    batch = None if data.per_group else 4
    trainer = recipe.trainer.model_copy(
        update={"epochs": 1, "batch_size": batch, "workers": 0, "flags": {"enable_progress_bar": False}}
    )
    taught = tuple(
        teacher.model_copy(
            update={
                "path": str(tiny / ("sentences" if teacher.classes else recipe.task)),
                "settings": {},
                "preprocessing": None,
            }
        )
        for teacher in recipe.teachers
    )
    settings = {key: value for key, value in recipe.model.settings.items() if key != "pretrained"}
    how = recipe.preprocessing
    if recipe.model.name.startswith(("clip-", "flip-")):
        # One block a tower, few patches: the losses are the recipe's, the size is not.
        settings |= {"layers": 1, **({"clip": "vit-t16"} if recipe.model.name.startswith("flip-") else {})}
        how = how.model_copy(update={"size": SIZE})
    if recipe.model.name == "cross-efficient-vit":
        settings |= {"depth": 1, "depths": (1, 1, 1), "hidden": 64}
        how = how.model_copy(update={"size": SIZE})
    if recipe.model.name == "efficient-vit":
        settings |= {"depth": 1, "hidden": 64}
        how = how.model_copy(update={"size": SIZE})
    if recipe.model.name.startswith("fpn-"):
        how = how.model_copy(update={"size": (64, 64)})
    if recipe.model.name == "sface":
        settings |= {"widths": [8] * 14, "squeeze": 4}
    if recipe.model.name.startswith("face-transformer"):
        settings |= {"depth": 1, "width": 64, "heads": 1, "hidden": 64}
    begin = ""
    if recipe.model.begin:
        begin = str(tiny / "begun" / name)
        begin_at(begin, recipe, settings, how)
    model = recipe.model.model_copy(update={"settings": settings, "begin": begin})
    changed = {"data": data, "trainer": trainer, "teachers": taught, "model": model, "preprocessing": how}
    return recipe.model_copy(update=changed)


@pytest.mark.parametrize("name", NAMES)
class TestEveryRecipe:
    def test_says_how_to_run_it_on_what_and_what_to_expect(self, name):
        text = (FOLDER / f"{name}.yaml").read_text()
        comment = [line for line in text.splitlines() if line.startswith("#")]
        assert f"facetrust train {name}" in text
        for word in ("Command:", "Hardware:", "Time:", "Expected:"):
            assert any(word in line for line in comment), word

    def test_says_the_terms_of_its_data(self, name):
        assert load_recipe(name).terms != "not stated"

    def test_is_the_same_after_it_was_written_out(self, name, tmp_path):
        recipe = load_recipe(name)
        (tmp_path / "again.yaml").write_text(recipe.to_yaml())
        assert load_recipe(tmp_path / "again.yaml") == recipe

    def test_two_steps_make_a_run_folder(self, name, tiny, tmp_path):
        recipe = small(name, tiny)
        run = train(recipe, out=tmp_path / "run")
        model, card = load_checkpoint(run)
        assert card.architecture == recipe.model.name
        assert card.preprocessing == recipe.preprocessing
        assert card.terms == recipe.terms
        rules = {"score": ["eer"], "embedding": ["far@0.1%", "far@1%"], "classes": []}
        assert [each.rule for each in card.thresholds] == rules[task_named(recipe.task).output]
        assert {each.split for each in card.thresholds} <= {"dev"}
        assert not model.training
