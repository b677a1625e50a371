from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from facetrust.data.manifest import Manifest
from facetrust.errors import ManifestError, ModelError, UnknownName, UsageError
from facetrust.evaluation.evaluate import evaluate
from facetrust.models import create_model, load_checkpoint, save_checkpoint
from facetrust.records import ModelCard, Preprocessing, Sample, Scores, sha256_of
from facetrust.training.learner import Learner
from facetrust.training.recipe import Recipe, check_recipe, load_recipe
from facetrust.training.train import _origins, _precision, train

# isort: split
import timm

LOGITS = {"logit-distillation": {}}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise is live, blurred noise an attack; 3 subjects, one per split."""
    folder = tmp_path_factory.mktemp("faces")
    numbers = np.random.default_rng(0)
    samples = []
    for count in range(72):
        image = numbers.integers(0, 255, (40, 40, 3)).astype(np.uint8)
        label = count % 2
        cv2.imwrite(str(folder / f"{count}.png"), cv2.GaussianBlur(image, (0, 0), 2) if label else image)
        split = ("train", "dev", "test")[count // 2 % 3]
        samples.append(Sample(path=f"{count}.png", label=label, split=split, subject=split, domain="noise"))
    Manifest.write(samples, folder / "faces.csv")
    return folder / "faces.csv"


def recipe_of(manifest: Path, **changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "tiny",
        "task": "antispoof",
        "model": {"name": "timm/mobilenetv4_conv_small_035", "settings": {"stage": 2, "dropout": 0.2}},
        "preprocessing": {"size": [32, 32]},
        "data": {"manifests": [str(manifest)], "augment": {"simulate": 0.2}},
        "optimizer": {"lr": 0.005},
        "trainer": {"epochs": 4, "batch_size": 8, "workers": 0, "flags": {"enable_progress_bar": False}},
    }
    return check_recipe({**content, **changes}, "test")


def state(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(
        run / "checkpoints" / "last.ckpt", weights_only=True, map_location="cpu"
    )
    return found


def part(found: dict[str, Any], prefix: str) -> dict[str, Any]:
    weights = found["state_dict"].items()
    return {key.removeprefix(prefix): value for key, value in weights if key.startswith(prefix)}


def same(one: Any, other: Any) -> bool:
    """Tells whether two nested states hold the same bits."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe_of(manifest), out=tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_folder_is_a_checkpoint_that_tells_its_story(run: Path, manifest: Path) -> None:
    model, card = load_checkpoint(run)
    hash_ = Manifest.read(manifest).hash
    assert (card.name, card.task, card.seed, card.manifest) == ("tiny", "antispoof", 0, hash_)
    assert card.parameters == sum(value.numel() for value in model.parameters())
    assert card.preprocessing.size == (32, 32)
    (threshold,) = card.thresholds
    assert (threshold.rule, threshold.manifest, threshold.split) == ("eer", hash_, "dev")
    assert "24 training samples" in card.training_data
    assert load_recipe(run / "recipe.yaml") == recipe_of(manifest)
    assert "train/binary-cross-entropy_step" in next((run / "log").rglob("metrics.csv")).read_text()
    assert list((run / "tensorboard").glob("events*"))


def test_it_learns_what_can_be_learnt(manifest: Path, tmp_path: Path) -> None:
    """Sharpness, that is; simulated attacks are there to take it away, so there are none."""
    recipe = recipe_of(manifest, data={"manifests": [str(manifest)], "augment": {"simulate": 0.0}})
    _, card = load_checkpoint(train(recipe, out=tmp_path / "run"))
    assert card.results[0].metric == "auc"
    assert card.results[0].split == "dev"
    assert card.results[0].value > 0.9


def test_two_and_two_epochs_are_four_to_the_bit(run: Path, manifest: Path, tmp_path: Path) -> None:
    half = train(recipe_of(manifest), out=tmp_path / "half", stop_after=2)
    assert not (half / "card.json").exists()
    with pytest.raises(ModelError, match="not finished"):
        load_checkpoint(half)
    assert train(recipe_of(manifest), out=half, resume=True) == half
    whole, parts = state(run), state(half)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "best", "epoch", "global_step"):
        assert same(whole[key], parts[key]), key
    assert sha256_of(half / "model.safetensors") == sha256_of(run / "model.safetensors")
    assert (half / "card.json").read_text() == (run / "card.json").read_text()


def test_pictures_that_are_kept_decoded_train_the_same_network(
    run: Path, manifest: Path, tmp_path: Path
) -> None:
    kept = recipe_of(manifest).trainer.model_copy(update={"decoded": tmp_path / "decoded"})
    out = train(recipe_of(manifest).model_copy(update={"trainer": kept}), out=tmp_path / "run")
    assert sha256_of(out / "model.safetensors") == sha256_of(run / "model.safetensors")
    # All development rows, and the training rows that were drawn.
    assert 24 < len(list((tmp_path / "decoded").rglob("*.npy"))) <= 24 + 24


def test_what_is_saved_are_the_averaged_weights_of_the_best_epoch(run: Path) -> None:
    found = state(run)
    saved = load_checkpoint(run)[0].state_dict()
    trained = {
        key[len("task.model.") :]: value for key, value in found["state_dict"].items() if "task." in key
    }
    average = {
        key[len("average.") :]: value for key, value in found["state_dict"].items() if "average." in key
    }
    assert saved.keys() == trained.keys() == average.keys()
    assert not same(saved, trained)
    assert not same(average, trained)
    if found["best"]["epoch"] == 3:
        assert same(saved, average)


def test_without_averaging_the_trained_weights_are_saved(manifest: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "batch_size": 8, "workers": 0, "ema": 0, "flags": {"enable_progress_bar": False}}
    out = train(recipe_of(manifest, trainer=training), out=tmp_path / "run")
    assert same(load_checkpoint(out)[0].state_dict(), part(state(out), "task.model."))


def test_another_seed_is_another_run(run: Path, manifest: Path, tmp_path: Path) -> None:
    other = train(recipe_of(manifest, seed=1), out=tmp_path / "run", stop_after=1)
    assert not same(state(other)["best"]["outputs"], state(run)["best"]["outputs"])


def test_a_student_learns_from_two_teachers(
    run: Path, manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "facetrust")
    recipe = recipe_of(
        manifest,
        losses={
            "binary-cross-entropy": 0.3,
            "logit-distillation": {"weight": 0.7, "temperature": 2},
        },
        teachers=[
            {"path": str(run), "weight": 2},
            {"path": "timm/test_vit", "preprocessing": {"size": [48, 48]}},
        ],
        trainer={"epochs": 1, "batch_size": 8, "workers": 1, "flags": {"enable_progress_bar": False}},
    )
    out = train(recipe, out=tmp_path / "student")
    assert "0.3 x binary-cross-entropy, 0.7 x logit-distillation" in caplog.text
    assert "timm/test_vit: its head was never trained" in caplog.text
    assert "train/logit-distillation" in next((out / "log").rglob("metrics.csv")).read_text()
    assert not any("teacher" in key for key in state(out)["state_dict"])
    assert load_checkpoint(out)[1].training_data.endswith("; taught by whole; taught by test_vit")


def test_the_card_names_the_weights_that_training_began_with(manifest: Path, tmp_path: Path) -> None:
    backbone = timm.create_model("mobilenetv4_conv_small_035", num_classes=0)
    file = tmp_path / "begin.safetensors"
    save_file(backbone.state_dict(), file)
    trainer = {"epochs": 1, "batch_size": 8, "workers": 0, "ema": 0, "flags": {"enable_progress_bar": False}}
    settings = {"stage": 2, "dropout": 0.2, "pretrained": str(file)}
    recipe = recipe_of(
        manifest,
        model={"name": "timm/mobilenetv4_conv_small_035", "settings": settings},
        optimizer={"lr": 1e-9, "weight_decay": 0},
        trainer=trainer,
    )
    out = train(recipe, out=tmp_path / "further")
    file_hash = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    file.unlink()
    model, card = load_checkpoint(out)
    assert card.training_data.endswith(f"; began with pretrained begin.safetensors {file_hash}")
    for name, value in model.features.backbone.named_parameters():
        torch.testing.assert_close(value, backbone.get_parameter(name), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("pretrained", "said"), [(True, ["weights"]), ("openai-Large", ["weights openai-Large"]), (False, [])]
)
def test_a_library_s_weights_are_named_by_their_tag(
    pretrained: bool | str, said: list[str], manifest: Path
) -> None:
    recipe = recipe_of(manifest, model={"name": "any", "settings": {"pretrained": pretrained}})
    assert list(_origins(recipe)) == [f"began with pretrained {each}" for each in said]


def test_a_folder_is_not_overwritten(run: Path, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finished run"):
        train(recipe_of(manifest), out=run, resume=True)
    train(recipe_of(manifest), out=tmp_path, stop_after=1)
    with pytest.raises(UsageError, match="unfinished run; resume it"):
        train(recipe_of(manifest), out=tmp_path)
    with pytest.raises(UsageError, match="begun with other settings"):
        train(recipe_of(manifest, seed=7), out=tmp_path, resume=True)


def test_the_audit_is_asked_for(manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = manifest.with_name("faces.csv.audit.json")
    said = {
        "was not audited": None,
        "not found clean": {"manifest": Manifest.read(manifest).hash, "clean": False},
        "changed since its audit": {"manifest": "0", "clean": True},
        "cannot be read": "nonsense",
        "": {"manifest": Manifest.read(manifest).hash, "clean": True},
    }
    recipe = recipe_of(manifest, losses=LOGITS)
    for message, content in said.items():
        caplog.clear()
        if content is not None:
            report.write_text(json.dumps(content))
        # Stops at the missing teachers, after the manifest was read.
        with pytest.raises(UsageError, match="teachers"):
            train(recipe, out=tmp_path / "run")
        assert message in caplog.text if message else not caplog.text
    report.unlink()


def test_an_unreadable_picture_is_a_row_in_the_log(manifest: Path, tmp_path: Path) -> None:
    samples = [row for row in Manifest.read(manifest).samples() if row.split != "test"]
    for row in samples:
        (tmp_path / row.path).write_bytes((manifest.parent / row.path).read_bytes())
    broken = [next(row.path for row in samples if row.split == split) for split in ("train", "dev")]
    for name in broken:
        (tmp_path / name).write_bytes(b"no picture")
    Manifest.write(samples, tmp_path / "m.csv")
    data = {"manifests": [str(tmp_path / "m.csv")], "balance": False}
    out = train(recipe_of(tmp_path / "m.csv", data=data), out=tmp_path / "run", stop_after=1)
    rows = (out / "unreadable.csv").read_text().splitlines()
    assert rows[0] == "sample,reason"
    assert sorted(rows[1:]) == rows[1:]
    assert all(any(name in row for row in rows[1:]) for name in broken)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"trainer": {"flags": {"max_epochs": 3}}}, UsageError, "max_epochs: is decided"),
        ({"trainer": {"flags": {"strategy": "ddp_spawn"}}}, UsageError, "use ddp"),
        ({"trainer": {"flags": {"check_val_every_n_epoch": 99}}}, UsageError, "99 of .* epochs choose none"),
        ({"trainer": {"flags": {"devises": 2}}}, UnknownName, "did you mean 'devices'"),
        ({"teachers": [{"path": "nowhere"}]}, UsageError, "go together"),
        ({"teachers": [{"path": "nowhere"}], "losses": LOGITS}, ModelError, "no such folder"),
        (
            {"teachers": [{"path": "no.onnx"}], "losses": LOGITS},
            ModelError,
            "no such model file",
        ),
        ({"model": {"name": "timm/resnet19"}}, UnknownName, "did you mean"),
        ({"model": {"name": "timm/test_vit", "settings": {"stages": 2}}}, UsageError, "stages"),
        ({"data": {"manifests": ["nowhere.csv"]}}, ManifestError, "no such manifest"),
    ],
)
def test_a_wrong_setting_stops_before_anything_is_written(
    manifest: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(recipe_of(manifest, **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_label_only_is_an_error(manifest: Path, tmp_path: Path) -> None:
    samples = [row for row in Manifest.read(manifest).samples() if row.label == 0 or row.split != "dev"]
    rows = [row.model_copy(update={"path": str(manifest.parent / row.path)}) for row in samples]
    Manifest.write(rows, tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="one label only in the dev split"):
        train(recipe_of(tmp_path / "m.csv"), out=tmp_path / "run")


def test_a_teacher_of_another_task_is_refused(manifest: Path, tmp_path: Path) -> None:
    about = ModelCard(
        name="t", task="deepfake", architecture="timm/test_vit", score_means="", preprocessing=Preprocessing()
    )  # type: ignore[call-arg]
    save_checkpoint(create_model("timm/test_vit"), about, tmp_path / "teacher")
    recipe = recipe_of(manifest, teachers=[{"path": str(tmp_path / "teacher")}], losses=LOGITS)
    with pytest.raises(ModelError, match="was made for deepfake"):
        train(recipe, out=tmp_path / "run")


def test_every_epoch_is_kept_if_asked(manifest: Path, tmp_path: Path) -> None:
    training = {
        "epochs": 2, "batch_size": 8, "workers": 0, "keep": "all", "flags": {"enable_progress_bar": False}
    }  # fmt: skip
    out = train(recipe_of(manifest, trainer=training), out=tmp_path / "run")
    kept = sorted(file.name for file in (out / "checkpoints").glob("epoch-*"))
    assert kept == ["epoch-000.safetensors", "epoch-001.safetensors"]
    best = state(out)["best"]["epoch"]
    last = load_file(out / "checkpoints" / f"epoch-{best:03d}.safetensors")
    assert same(load_checkpoint(out)[0].state_dict(), last)


def test_batches_hold_as_many_of_each_domain_and_label(manifest: Path, tmp_path: Path) -> None:
    """Two groups of three make a batch of six; a recipe that says otherwise is refused, not ignored."""
    data = {"manifests": [str(manifest)], "per_group": 3, "length": 12}
    recipe = recipe_of(manifest, data=data)
    with pytest.raises(UsageError, match=r"batch_size is 8, but data.per_group=3 of 2 groups .*makes 6"):
        train(recipe, out=tmp_path / "run")
    recipe = recipe.model_copy(update={"trainer": recipe.trainer.model_copy(update={"batch_size": 6})})
    sizes = []
    step = Learner.training_step

    def watched(self: Learner, batch: dict[str, Any], index: int) -> Any:
        sizes.append(batch["target"].tolist())
        return step(self, batch, index)

    with patch.object(Learner, "training_step", watched):
        train(recipe, out=tmp_path / "run", stop_after=1)
    assert [sorted(labels) for labels in sizes] == [[0.0] * 3 + [1.0] * 3] * 2


def small_flip(manifest: Path, out: Path) -> Path:
    """Returns the run of a FLIP-MCL of one block a tower, trained with its three losses for two steps."""
    recipe = recipe_of(
        manifest,
        name="flip",
        model={"name": "flip-mcl", "settings": {"clip": "vit-t16", "layers": 1}},
        data={"manifests": [str(manifest)], "length": 16, "augment": {"style": "flip"}},
        losses={"nt-xent": 1, "view-consistency": 1},
        trainer={"epochs": 1, "batch_size": 8, "workers": 0, "flags": {"enable_progress_bar": False}},
    )
    return train(recipe, out=out)


def test_flip_teaches_a_folded_student_from_the_cache_as_it_does_live(
    manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "facetrust")
    teacher = small_flip(manifest, tmp_path / "teacher")
    assert "1 x binary-cross-entropy, 1 x nt-xent, 1 x view-consistency" in caplog.text
    taught = {
        "name": "student",
        "model": {"name": "clip-vit-t16", "settings": {"layers": 1}},
        "data": {"manifests": [str(manifest)], "length": 16, "augment": {"draws": 1}},
        "losses": {"feature-distillation": {"weight": 20}, "attention-distillation": {}},
        "teachers": [{"path": str(teacher), "sees": "student", "classes": True}],
        "trainer": {
            "epochs": 3, "batch_size": 8, "workers": 0, "precision": "32-true",
            "flags": {"enable_progress_bar": False},
        },
    }  # fmt: skip
    runs = [
        train(recipe_of(manifest, **taught, cache=cache), out=tmp_path / name)
        for name, cache in (
            ("live", "none"),
            ("first", str(tmp_path / "kept")),
            ("again", str(tmp_path / "kept")),
        )
    ]
    live, first, again = (state(run)["best"]["outputs"] for run in runs)
    # The cache holds float16; a second run with it is the first one again.
    torch.testing.assert_close(first, live, atol=2e-3, rtol=0)
    assert same(first, again)
    (kept,) = (tmp_path / "kept").iterdir()
    assert {file.name for file in kept.glob("*.npy")} == {"asked.npy", "attention.npy", "embedding.npy"}
    assert not (runs[0] / "taught").exists()


def test_controls_are_measured_and_may_choose_the_epoch(manifest: Path, tmp_path: Path) -> None:
    data = {"manifests": [str(manifest)], "controls": True}
    training = {"epochs": 3, "batch_size": 8, "workers": 0, "flags": {"enable_progress_bar": False}}
    chosen = recipe_of(manifest, data=data, trainer={**training, "choose": "auc-neutral+auc-matched"})
    out = train(chosen, out=tmp_path / "run")
    best = state(out)["best"]
    assert set(best["figures"]) == {
        figure + control for figure in ("auc", "loss") for control in ("", "-neutral", "-matched")
    }
    assert best["value"] == pytest.approx(best["figures"]["auc-neutral"] + best["figures"]["auc-matched"])
    # Blur alone marks the attacks, and is what matched pictures no longer have.
    assert best["figures"]["auc"] > best["figures"]["auc-matched"]
    _, card = load_checkpoint(out)
    assert {result.metric for result in card.results} == {"auc", "auc-neutral", "auc-matched"}


def test_a_figure_that_is_not_measured_cannot_choose(manifest: Path, tmp_path: Path) -> None:
    training = {"epochs": 1, "choose": "auc+auc-matched", "flags": {"enable_progress_bar": False}}
    with pytest.raises(UnknownName, match="auc-matched"):
        train(recipe_of(manifest, trainer=training), out=tmp_path / "run")


def test_a_student_learns_where_a_convolutional_teacher_looks(manifest: Path, tmp_path: Path) -> None:
    model = {"name": "timm/efficientnet_lite0", "settings": {"block": 3}}
    short = {"epochs": 1, "batch_size": 8, "workers": 0, "flags": {"enable_progress_bar": False}}
    teacher = train(recipe_of(manifest, model=model, trainer=short), out=tmp_path / "teacher")
    taught = recipe_of(
        manifest,
        model={"name": "timm/efficientnet_lite0", "settings": {"block": 2}},
        losses={"spatial-attention": 3},
        teachers=[{"path": str(teacher), "sees": "student"}],
        trainer=short,
        cache="none",
    )
    out = train(taught, out=tmp_path / "student")
    rows = (out / "log" / "version_0" / "metrics.csv").read_text().splitlines()
    assert any("spatial-attention" in name for name in rows[0].split(","))


@pytest.mark.parametrize(
    ("gpu", "bfloat", "flags", "expected"),
    [
        (False, False, {}, "32-true"),
        (True, True, {}, "bf16-mixed"),
        (True, False, {}, "16-mixed"),
        (True, True, {"accelerator": "cpu"}, "32-true"),
        (True, True, {"accelerator": "gpu"}, "bf16-mixed"),
    ],
)
def test_the_precision_follows_the_machine_that_computes(
    gpu: bool, bfloat: bool, flags: dict[str, Any], expected: str
) -> None:
    says = patch.multiple(
        torch.cuda, is_available=lambda: gpu, is_bf16_supported=lambda including_emulation: bfloat
    )
    with says:
        assert _precision(flags.get("accelerator", "auto")) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_scores_as_a_cpu_does(run: Path, manifest: Path, tmp_path: Path) -> None:
    by_gpu = Scores.read(evaluate(run, manifest, out=tmp_path / "gpu", baselines=False))
    with patch.object(torch.cuda, "is_available", return_value=False):
        by_cpu = Scores.read(evaluate(run, manifest, out=tmp_path / "cpu", baselines=False))
    assert by_gpu.scores.tolist() == pytest.approx(by_cpu.scores.tolist(), abs=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_began_a_cpu_ends(manifest: Path, tmp_path: Path) -> None:
    recipe = recipe_of(manifest)
    train(recipe, out=tmp_path, stop_after=2)
    trainer = recipe.trainer.model_copy(update={"flags": {**recipe.trainer.flags, "accelerator": "cpu"}})
    train(recipe.model_copy(update={"trainer": trainer}), out=tmp_path, resume=True)
    assert {value.device.type for value in load_file(tmp_path / "model.safetensors").values()} == {"cpu"}
    assert state(tmp_path)["epoch"] == recipe.trainer.epochs - 1
