"""A recipe becomes a run folder: weights, card, resolved recipe, logs. Can be resumed."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from facetrust import models
from facetrust.data.augment.harmless import CONTROLS
from facetrust.data.dataset import FaceData
from facetrust.data.sampler import EpochSampler, GroupSampler
from facetrust.data.targets import Unasked, target_of
from facetrust.errors import UnknownName, UsageError
from facetrust.protocols import fit_threshold
from facetrust.records import (
    ModelCard,
    Result,
    Threshold,
    sha256_of,
    write_text,
    write_unreadable,
    write_whole,
)
from facetrust.tasks import task_named
from facetrust.training.assembly import Assembly, assemble
from facetrust.training.distillation import Distill
from facetrust.training.inheritance import begin
from facetrust.training.learner import Learner
from facetrust.training.loading import Sources, loaders, order_of, read_sources
from facetrust.training.recipe import Recipe, load_recipe
from facetrust.training.teacher_cache import TeacherCache, cache_in, fill
from facetrust.training.wrapper import innermost

# isort: split
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO

_log = logging.getLogger("facetrust")
# Trainer arguments that a recipe decides elsewhere, or on which resuming and sharding rest.
_OURS = {
    "accelerator_connector", "callbacks", "default_root_dir", "gradient_clip_val", "logger", "max_epochs",
    "num_sanity_val_steps", "plugins", "precision", "use_distributed_sampler",
}  # fmt: skip


_FAR = ("0.1%", "1%")  # The first one decides.
_EVIDENCE = "a map whose mean is the logit"
_MEANINGS = {
    "score": "sigmoid of the logit, in [0, 1]; higher means more likely {}",
    "embedding": "a vector of unit length; the cosine of two is higher for the same person",
    "classes": "probability of each class at each pixel",
}


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints beside their target; Lightning's own go through the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes a checkpoint whole; the one before stays where it cannot."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getbuffer())


def train(
    recipe: Recipe | str | Path,
    *,
    out: str | Path,
    resume: bool = False,
    overrides: Sequence[str] = (),
    stop_after: int | None = None,
) -> Path:
    """Returns the run folder `out`: `model.safetensors`, `card.json` (written last), `recipe.yaml`, logs.

    With `trainer.flags: {devices: 2, strategy: ddp}` the program is started once more, and both processes
    train one network on one half of each batch; the first one writes.

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
    else:
        _log.setLevel(logging.ERROR)  # The first one tells.
    task = task_named(recipe.task)
    sources = read_sources(recipe.data, task.target, task.unit)
    target = target_of(task.target, sources.train, sources.dev, recipe.data.classes)
    torch.manual_seed(recipe.seed)
    model = models.create_model(
        recipe.model.name, image_size=recipe.preprocessing.size, **recipe.model.settings
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.model.begin:
        _begin(model, recipe.model.begin)
    made = assemble(recipe, model, target)
    order = order_of(recipe, sources)
    bar = trainer.is_global_zero and recipe.trainer.flags.get("enable_progress_bar", True)
    taught = _teaching(recipe, sources, made, order, out, bar=bar) if made.origins else None
    faces = loaders(recipe, sources, made, order, taught, (trainer.global_rank, trainer.world_size), target)
    last = out / "checkpoints" / "last.ckpt"
    if not last.is_file():
        begin(recipe, model, made, sources.train)
    learner = _learner(recipe, made.task, model, out, steps=len(faces[0]) // trainer.accumulate_grad_batches)
    if trainer.is_global_zero:
        write_text(out / models.RECIPE, recipe.to_yaml())
    _log.info("losses: %s", ", ".join(f"{weight:g} x {name}" for name, weight in made.task.weights.items()))  # type: ignore[union-attr,operator]
    with _attention_for(trainer), warnings.catch_warnings():
        # Lightning's advice about workers and log intervals, which the recipe decides; that a resumed
        # run has a checkpoint; and a torch function that Lightning itself should no longer call.
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", ".*LeafSpec")
        try:
            trainer.fit(learner, *faces, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
        except SystemExit as stop:  # So Lightning leaves when it is interrupted.
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
        except OSError as error:  # Of a log, which does not say which file it was.
            error.filename = error.filename or str(out)
            raise
    if trainer.is_global_zero:
        if unreadable := write_unreadable(out / "unreadable.csv", sorted(learner.failed.items())):
            _log.warning("%d pictures could not be read; see %s", len(learner.failed), unreadable)
        if trainer.current_epoch >= recipe.trainer.epochs:
            _finish(out, recipe, learner, sources)
        else:
            done = f"{trainer.current_epoch} of {recipe.trainer.epochs} epochs"
            _log.warning("%s: stopped after %s; resume it to go on", out, done)
    return out


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
    free = {"flags": {}, "workers": 0, "decoded": None}
    loose = {"trainer": recipe.trainer.model_copy(update=free)}
    before = {"trainer": begun.trainer.model_copy(update=free)}
    if begun.model_copy(update=before) != recipe.model_copy(update=loose):
        raise UsageError(f"{out}: was begun with other settings ({written}); give another folder")


def _begin(model: nn.Module, folder: str) -> None:
    """Fills a network with the weights of a finished run."""
    begun, card = models.load_checkpoint(folder)
    try:
        model.load_state_dict(begun.state_dict())
    except RuntimeError:
        raise UsageError(f"model.begin: {folder} holds another network ({card.architecture})") from None


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
    if (every := flags.get("check_val_every_n_epoch") or 1) > settings.epochs:
        raise UsageError(
            f"trainer.flags.check_val_every_n_epoch: {every} of {settings.epochs} epochs choose none"
        )
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    keep = ModelCheckpoint(
        out / "checkpoints", filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    # Standard output is for the result.
    bar = [RichProgressBar(console_kwargs={"stderr": True})] if flags.get("enable_progress_bar", True) else []
    precision = settings.precision
    if precision == "auto":
        precision = _precision(flags.get("accelerator", "auto"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "GPU available but not used")  # The recipe decides.
        return Trainer(
            default_root_dir=out,
            max_epochs=min(settings.epochs, stop_after or settings.epochs),
            callbacks=[keep, *bar],
            logger=[CSVLogger(out, name="log"), TensorBoardLogger(out, name="tensorboard", version="")],
            plugins=[WholeCheckpoints()],
            precision=precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.clip or None,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **{"enable_model_summary": False, "log_every_n_steps": 10, **flags},
        )


def _precision(accelerator: str) -> str:
    """Returns what `auto` stands for: mixed on a GPU, in bfloat16 where it can (no loss is scaled then)."""
    if accelerator == "cpu" or not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"


def _attention_for(trainer: Trainer) -> AbstractContextManager[None]:
    """Picks plain attention on a CPU in half precision, whose fused kernel is slow backwards.

    `benchmarks/attention_kernel.py` measures both.
    """
    if trainer.precision == "bf16-mixed" and trainer.strategy.root_device.type == "cpu":
        return sdpa_kernel(SDPBackend.MATH)  # type: ignore[no-any-return]
    return nullcontext()


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
        decay_all=recipe.optimizer.decay_all,
        ema=recipe.trainer.ema,
        choose=recipe.trainer.choose,
        controls=CONTROLS if recipe.data.controls else (),
        optimizer=recipe.optimizer.name,
        every=recipe.trainer.keep == "all",
        seed=recipe.seed,
    )


def _teaching(
    recipe: Recipe,
    sources: Sources,
    made: Assembly,
    order: EpochSampler | GroupSampler,
    out: Path,
    *,
    bar: bool,
) -> TeacherCache | None:
    """Returns what the teachers say of all that training will draw; None where it would never come again."""
    augment, task = recipe.data.augment, made.task
    if recipe.cache == "none" or not isinstance(task, Distill):
        return None
    clean = not (made.same or augment.simulate or augment.pairs)
    if not clean and not augment.draws:
        _log.info("teachers are asked at every step: set data.augment.draws to ask them once a draw")
        return None
    count = len(sources.train)
    facts = {
        "data": sources.described, "samples": count, "teachers": made.origins,
        "views": {name: how.model_dump(mode="json") for name, how in made.views.items()},
        "weights": [teacher.weight for teacher in recipe.teachers], "parts": sorted(task.wanted),
        "heads": task.tells_heads_apart,
    }  # fmt: skip
    if not clean:
        facts |= {"seed": recipe.seed, "same": made.same, "augment": augment.model_dump(mode="json")}
    home = out / "taught" if recipe.cache == "run" else Path(recipe.cache)
    answers = cache_in(home, count if clean else count * augment.draws, facts)
    data = FaceData(
        sources.train, views=made.views, seed=recipe.seed, training=not clean, same=made.same,
        target=Unasked(), **dict(augment),
    )  # fmt: skip
    keys: list[int] = []
    for epoch in range(recipe.trainer.epochs):
        order.set_epoch(epoch)
        keys += order
    order.set_epoch(0)
    _log.info("asking the teachers; kept in %s", answers.folder)
    with _told("asking the teachers", bar=bar) as progress:
        fill(task, data, keys, answers, workers=recipe.trainer.workers, progress=progress)
    return answers


@contextmanager
def _told(title: str, *, bar: bool) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not bar, transient=True) as shown:
        line = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(line, completed=done, total=total)


def _finish(out: Path, recipe: Recipe, learner: Learner, sources: Sources) -> None:
    """Writes the checkpoint folder's files from the best epoch; the card last."""
    from safetensors.torch import load_file

    model = learner.kept
    model.load_state_dict(load_file(learner.best_file))
    best, task, objective = learner.best, task_named(recipe.task), learner.task
    thresholds: tuple[Threshold, ...] = ()
    if task.output == "score":
        labels, scores = best["targets"].numpy(), objective.scores(best["outputs"]).numpy()  # type: ignore[operator]
        thresholds = (fit_threshold("eer", labels, scores, manifest=sources.manifest, split="dev"),)
    elif hasattr(innermost(objective), "pairs"):
        labels, scores = innermost(objective).pairs(best["outputs"], best["targets"])  # type: ignore[operator]
        thresholds = tuple(_at_far(share, labels, scores, sources.manifest) for share in _FAR)
    command = f"facetrust train {recipe.name}"
    figures = {name: value for name, value in best["figures"].items() if learner.directions[name] == "max"}  # type: ignore[index]
    card = ModelCard(
        name=recipe.name or out.name,
        task=recipe.task,
        architecture=recipe.model.name,
        preprocessing=recipe.preprocessing,
        score_means=_MEANINGS[task.output].format(task.positive_means),
        evidence_means=getattr(model, "evidence_means", _EVIDENCE if task.output == "score" else "none"),
        classes=recipe.data.classes,
        thresholds=thresholds,
        training_data="; ".join([sources.described, *_origins(recipe)]),
        terms=recipe.terms,
        recipe=recipe.name or "not stated",
        manifest=sources.manifest,
        seed=recipe.seed,
        results=tuple(
            Result(metric=name, value=value, data=sources.manifest, split="dev", command=command)
            for name, value in figures.items()
        ),
        advisory=task.output == "score",  # Until it is proven on data that nothing was chosen by.
    )
    # What an image size did not come from, the size of the inputs gives: weights must load without a recipe.
    settings = {"image_size": recipe.preprocessing.size, **recipe.model.settings}
    models.save_checkpoint(model, card, out, settings=settings, recipe=recipe.to_yaml())


def _at_far(share: str, labels: Any, scores: Any, manifest: str) -> Threshold:
    """The lowest threshold at which this share of the pairs of two people is accepted at most."""
    found = fit_threshold(f"bpcer@{share}", labels, scores, manifest=manifest, split="dev")
    return found.model_copy(update={"rule": f"far@{share}"})


def _origins(recipe: Recipe) -> Iterator[str]:
    """Gives what the weights owe to others: those that training began with, and the teachers."""
    begun = recipe.model.settings.get("pretrained")
    if begun:
        file = Path(str(begun))
        # Else a library's own: by their tag, or the only ones.
        tag = "" if begun is True else f" {begun}"
        which = f"{file.name} {sha256_of(file)[:16]}" if file.is_file() else f"weights{tag}"
        yield f"began with pretrained {which}"
    if recipe.model.begin:
        begun = Path(recipe.model.begin)
        yield f"began with run {begun.name} {sha256_of(begun / models.WEIGHTS)[:16]}"
    for teacher in recipe.teachers:
        begun = "began with the weights of, and " if teacher.inherit else ""
        yield f"{begun}taught by {Path(teacher.path).name}"
