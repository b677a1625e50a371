"""A recipe becomes a run folder: weights, card, resolved recipe, logs. Can be resumed."""

from __future__ import annotations

import csv
import inspect
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler

from facetrust import models, registry
from facetrust._learner import Learner
from facetrust._teaching import ask
from facetrust.data.dataset import EpochSampler, FaceData, absolute, balance, collate
from facetrust.data.manifest import Manifest
from facetrust.errors import ManifestError, ModelError, UnknownName, UsageError
from facetrust.models.onnx import onnx
from facetrust.protocols import fit_threshold
from facetrust.recipe import Data, Recipe, Teacher, load_recipe
from facetrust.records import (
    ModelCard,
    Preprocessing,
    Result,
    Sample,
    write_text,
    write_whole,
)
from facetrust.tasks.distill import Distill, Taught, distill

# isort: split
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

_log = logging.getLogger("facetrust")
# Trainer arguments that a recipe decides elsewhere, or on which resuming and sharding rest.
_OURS = {
    "accelerator_connector", "callbacks", "default_root_dir", "gradient_clip_val", "logger", "max_epochs",
    "num_sanity_val_steps", "precision", "use_distributed_sampler",
}  # fmt: skip


def train(
    recipe: Recipe | str | Path,
    *,
    out: str | Path,
    resume: bool = False,
    overrides: Sequence[str] = (),
    stop_after: int | None = None,
) -> Path:
    """Returns the run folder `out`: `model.safetensors`, `card.json` (written last), `recipe.yaml`, logs.

    The weights are the averaged ones of the best epoch on the development split; the card's
    threshold is fitted there too. The test split is never read.

    Args:
        recipe: a recipe, its name, or its file.
        resume: continue an unfinished run in `out`, or start one if there is none.
        overrides: `section.key=value`, where a name or file is given.
        stop_after: leave off after so many epochs in all, unfinished, to be resumed.

    Raises:
        UsageError: a wrong setting, or `out` holds another run.
        ManifestError: no training or development rows, or one label only.
        ModelError: a teacher cannot be used.
    """
    out = Path(out)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    trainer = _trainer(recipe, out, stop_after)
    if trainer.is_global_zero:
        # The other processes may start when the first has already begun to write.
        _claim(out, recipe, resume)
    sources = _read(recipe.data)
    torch.manual_seed(recipe.seed)
    model = models.create_model(
        recipe.model.name, image_size=recipe.preprocessing.size, **recipe.model.settings
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task, views = _task(recipe, model)
    taught = None
    if isinstance(task, Distill) and not recipe.data.augment.simulate:
        # Teachers see every picture clean; without attacks drawn anew they would repeat themselves.
        cache, workers = out / "taught.npy", recipe.trainer.workers
        taught = ask(task, sources.train, views, cache=cache, workers=workers)
        views = {"student": recipe.preprocessing}
    loaders = _loaders(recipe, sources, views, taught=taught, shard=(trainer.global_rank, trainer.world_size))
    learner = _learner(recipe, task, model, out, steps=len(loaders[0]) // trainer.accumulate_grad_batches)
    last = out / "checkpoints" / "last.ckpt"
    if trainer.is_global_zero:
        write_text(out / models.RECIPE, recipe.to_yaml())
    _log.info("losses: %s", ", ".join(f"{weight:g} x {name}" for name, weight in task.weights.items()))  # type: ignore[union-attr,operator]
    with warnings.catch_warnings():
        # Lightning's advice about workers and log intervals, which the recipe decides; that a resumed
        # run has a checkpoint; and a torch function that Lightning itself should no longer call.
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", ".*LeafSpec")
        trainer.fit(learner, *loaders, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    if getattr(trainer, "interrupted", False):
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        _write_failed(out, learner.failed)
        if trainer.current_epoch >= recipe.trainer.epochs:
            _finish(out, recipe, learner, sources)
        else:
            done = f"{trainer.current_epoch} of {recipe.trainer.epochs} epochs"
            _log.warning("%s: stopped after %s; resume it to go on", out, done)
    return out


class _Sources(NamedTuple):
    train: list[Sample]
    dev: list[Sample]
    manifest: str
    described: str


def _claim(out: Path, recipe: Recipe, resume: bool) -> None:
    """Refuses a folder that holds a finished run, another run, or an unfinished one not to be resumed."""
    if (out / models.CARD).exists():
        raise UsageError(f"{out}: holds a finished run; give another folder")
    written = out / models.RECIPE
    if not written.exists():
        return
    if not resume:
        raise UsageError(f"{out}: holds an unfinished run; resume it (--resume) or give another folder")
    begun = load_recipe(written)
    loose = {"trainer": recipe.trainer.model_copy(update={"flags": {}, "workers": 0})}
    before = {"trainer": begun.trainer.model_copy(update={"flags": {}, "workers": 0})}
    if begun.model_copy(update=before) != recipe.model_copy(update=loose):
        raise UsageError(f"{out}: was begun with other settings ({written}); give another folder")


def _read(data: Data) -> _Sources:
    train: list[Sample] = []
    dev: list[Sample] = []
    hashes, described = [], []
    for path in (*data.manifests, *data.extra):
        manifest = Manifest.read(path)
        _warn_of_audit(path, manifest.hash)
        rows = absolute(manifest.samples(), manifest.root)
        mine = [row for row in rows if row.split == "train"]
        train += mine
        if path in data.manifests:
            dev += [row for row in rows if row.split == "dev"]
            hashes.append(manifest.hash)
        described.append(f"{path.stem}: {len(mine)} training samples, manifest {manifest.hash[:16]}")
    for split, found, simulated in (("train", train, data.augment.simulate), ("dev", dev, data.simulate_dev)):
        labels = {row.label for row in found} | ({1} if simulated else set())
        if labels != {0, 1}:
            what = "no rows" if not found else "one label only"
            raise ManifestError(f"{data.manifests[0]}: {what} in the {split} split; both labels are needed")
    return _Sources(train, dev, "+".join(hashes), "; ".join(described))


def _warn_of_audit(path: Path, found: str) -> None:
    report = path.with_name(path.name + ".audit.json")
    try:
        audit = json.loads(report.read_text(encoding="utf-8"))
        state = (
            "was audited, and not found clean" if audit["manifest"] == found else "changed since its audit"
        )
        if audit["manifest"] == found and audit["clean"]:
            return
    except FileNotFoundError:
        state = "was not audited"
    except (ValueError, KeyError, TypeError, OSError):
        state = f"has an audit that cannot be read ({report.name})"
    _log.warning("%s: %s; run: facetrust audit %s", path, state, path)


def _task(recipe: Recipe, model: nn.Module) -> tuple[nn.Module, dict[str, Preprocessing]]:
    losses = recipe.losses
    views = {"student": recipe.preprocessing}
    task: nn.Module = registry.build(
        "tasks", recipe.task, model, weight=losses.supervised, smoothing=losses.smoothing
    )
    if bool(recipe.teachers) != (losses.distillation > 0):
        raise UsageError("teachers and losses.distillation go together; one is set without the other")
    if not recipe.teachers:
        return task, views
    taught = {}
    for number, teacher in enumerate(recipe.teachers):
        teaching, views[f"teacher-{number}"] = _teacher(teacher, recipe)
        taught[f"teacher-{number}"] = Taught(teaching, teacher.weight)
    return distill(task, taught, weight=losses.distillation, temperature=losses.temperature), views


def _teacher(teacher: Teacher, recipe: Recipe) -> tuple[nn.Module, Preprocessing]:
    if teacher.path.startswith("timm/"):
        how = teacher.preprocessing or recipe.preprocessing
        _log.warning("teacher %s: its head was never trained; give the folder of a run instead", teacher.path)
        return models.create_model(teacher.path, image_size=how.size, **teacher.settings), how
    if teacher.path.endswith(".onnx"):
        exported = onnx(teacher.path)
        card: ModelCard = exported.card
        model: nn.Module = exported
    else:
        model, card = models.load_checkpoint(teacher.path)
    if card.task != recipe.task:
        raise ModelError(f"teacher {teacher.path}: was made for {card.task}, the recipe is for {recipe.task}")
    return model, card.preprocessing


def _trainer(recipe: Recipe, out: Path, stop_after: int | None) -> Trainer:
    settings, flags = recipe.trainer, dict(recipe.trainer.flags)
    known = set(inspect.signature(Trainer).parameters)
    for name in flags:
        if name in _OURS:
            raise UsageError(f"trainer.flags.{name}: is decided by the recipe's other settings")
        if name not in known:
            raise UnknownName("Trainer flag", name, known - _OURS)
    if str(flags.get("strategy", "")).endswith(("spawn", "fork", "notebook")):
        raise UsageError("trainer.flags.strategy: its processes cannot hand back what they learnt; use ddp")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    keep = ModelCheckpoint(
        out / "checkpoints", filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    bar = [RichProgressBar()] if flags.get("enable_progress_bar", True) else []
    precision = settings.precision
    if precision == "auto":
        precision = "16-mixed" if torch.cuda.is_available() else "32-true"
    return Trainer(
        default_root_dir=out,
        max_epochs=min(settings.epochs, stop_after or settings.epochs),
        callbacks=[keep, *bar],
        logger=[CSVLogger(out, name="log"), TensorBoardLogger(out, name="tensorboard", version="")],
        precision=precision,  # type: ignore[arg-type]
        gradient_clip_val=settings.clip or None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **{"enable_model_summary": False, "log_every_n_steps": 10, **flags},
    )


def _learner(recipe: Recipe, task: nn.Module, model: nn.Module, out: Path, *, steps: int) -> Learner:
    steps = max(1, steps)
    return Learner(
        task,
        model,
        best=out / "checkpoints" / "best.safetensors",
        steps=steps * recipe.trainer.epochs,
        warmup=round(steps * recipe.optimizer.warmup),
        lr=recipe.optimizer.lr,
        final=recipe.optimizer.final,
        weight_decay=recipe.optimizer.weight_decay,
        ema=recipe.trainer.ema,
        choose=recipe.trainer.choose,
        seed=recipe.seed,
    )


def _loaders(
    recipe: Recipe,
    sources: _Sources,
    views: dict[str, Preprocessing],
    *,
    taught: Any = None,
    shard: tuple[int, int],
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    data, batch = recipe.data, recipe.trainer.batch_size
    training = FaceData(
        sources.train, views=views, seed=recipe.seed, training=True, taught=taught, **dict(data.augment)
    )
    dev = FaceData(
        sources.dev, views={"student": recipe.preprocessing}, seed=recipe.seed,
        simulate=data.simulate_dev, species=data.augment.species,
    )  # fmt: skip
    chances = balance(sources.train, data.shares) if data.balance else None
    order = EpochSampler(len(training), seed=recipe.seed, weights=chances, length=data.length)
    share = _Share(order, *shard)
    shared = {
        "batch_size": batch, "num_workers": recipe.trainer.workers, "collate_fn": collate,
        "worker_init_fn": _quiet_worker, "pin_memory": torch.cuda.is_available(),
    }  # fmt: skip
    # A last batch of one face would give batch normalisation nothing to compare.
    whole = len(share) >= batch
    persistent = recipe.trainer.workers > 0
    return (
        DataLoader(training, sampler=share, drop_last=whole, persistent_workers=persistent, **shared),  # type: ignore[arg-type]
        DataLoader(dev, sampler=range(shard[0], len(dev), shard[1]), **shared),  # type: ignore[arg-type]
    )


class _Share(Sampler[int]):
    """Every `count`-th key of another sampler from the `rank`-th on; all shares are equally long."""

    def __init__(self, order: EpochSampler, rank: int, count: int) -> None:
        self.order = order
        self.rank = rank
        self.count = count

    def __len__(self) -> int:
        return len(self.order) // self.count

    def set_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        keys = list(self.order)[: len(self) * self.count]
        return iter(keys[self.rank :: self.count])


def _quiet_worker(_: int) -> None:
    import cv2

    # One thread a worker; more would fight over the cores that the other workers use.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _write_failed(out: Path, failed: dict[str, str]) -> None:
    if not failed:
        return
    _log.warning("%d pictures could not be read; see %s", len(failed), out / "unreadable.csv")

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("sample", "reason"), *sorted(failed.items())])

    write_whole(out / "unreadable.csv", write)


def _finish(out: Path, recipe: Recipe, learner: Learner, sources: _Sources) -> None:
    """Writes the checkpoint folder's files from the best epoch; the card last."""
    from safetensors.torch import load_file

    model = learner.kept
    model.load_state_dict(load_file(learner.best_file))
    best = learner.best
    threshold = fit_threshold(
        "eer", best["labels"].numpy(), best["scores"].numpy(), manifest=sources.manifest, split="dev"
    )
    meaning = getattr(model, "evidence_means", "a map whose mean is the logit")
    command = f"facetrust train {recipe.name}"
    card = ModelCard(
        name=recipe.name or out.name,
        task=recipe.task,
        architecture=recipe.model.name,
        preprocessing=recipe.preprocessing,
        score_means="sigmoid of the logit, in [0, 1]; higher means more likely an attack",
        evidence_means=meaning,
        thresholds=(threshold,),
        training_data=sources.described,
        terms=recipe.terms,
        recipe=recipe.name or "not stated",
        manifest=sources.manifest,
        seed=recipe.seed,
        results=(
            Result(metric="auc", value=best["auc"], data=sources.manifest, split="dev", command=command),
        ),
    )
    # What an image size did not come from, the size of the inputs gives: weights must load without a recipe.
    settings = {"image_size": recipe.preprocessing.size, **recipe.model.settings}
    models.save_checkpoint(model, card, out, settings=settings, recipe=recipe.to_yaml())
