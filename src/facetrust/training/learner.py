"""The Lightning module: one step, averaged weights, and the choice of the epoch that is kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import facetrust.models  # noqa: F401  # Makes torchvision importable, so it comes before Lightning.
from facetrust.errors import UnknownName
from facetrust.records import write_whole

# isort: split
from lightning.pytorch import LightningModule


class Learner(LightningModule):
    """Trains a task's model; validates, and keeps, the exponential average of its weights.

    Every draw of a step follows from (seed, step), so that a resumed run repeats an unbroken one. Of several
    processes each sees its share; figures are taken of all development rows together, by each the same.

    Args:
        task: from `facetrust.tasks`, or a distillation of one.
        model: the network inside it.
        best: file that the averaged weights of the best epoch are written to.
        steps: optimizer steps in the whole run; `warmup` of them rise linearly.
        final: learning rate at the end over `lr`.
        decay_all: whether norms, biases and other vectors decay too.
        ema: decay of the average, 0 for the plain weights.
        choose: one of the task's development figures, which picks the best epoch (if none, the first), or
            `last`. Figures joined by `+` are added up.
        controls: names of the further development sets, whose figures are called `<figure>-<control>`.
        optimizer: `adamw`, or `adam` with coupled weight decay.
        every: keep the weights of every epoch, in `epoch-<n>.safetensors` beside `best`.
    """

    def __init__(
        self,
        task: nn.Module,
        model: nn.Module,
        *,
        best: Path,
        steps: int,
        warmup: int = 0,
        lr: float = 1e-3,
        final: float = 0.0,
        weight_decay: float = 0.05,
        decay_all: bool = False,
        ema: float = 0.999,
        choose: str = "",
        controls: Sequence[str] = (),
        optimizer: Literal["adamw", "adam"] = "adamw",
        every: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.task = task
        self.average = copy.deepcopy(model).requires_grad_(False) if ema else None
        # In a tuple, so that the state holds the network once, under `task`.
        self._model = (model,)
        self.best_file = best
        self.steps = steps
        self.warmup = warmup
        self.lr = lr
        self.final = final
        self.weight_decay = weight_decay
        self.decay_all = decay_all
        self.ema = ema
        self.optimizer = optimizer
        self.every = every
        self.seed = seed
        self.sets = ("", *(f"-{control}" for control in controls))
        self.directions = {
            name + suffix: direction
            for suffix in self.sets
            for name, direction in task.figures.items()  # type: ignore[operator,union-attr]
        }
        self.choose = choose or next(iter(self.directions))
        if self.choose != "last":
            for name in self.choose.split("+"):
                if name not in self.directions:
                    raise UnknownName("development figure", name, [*self.directions, "last"])
        self.best: dict[str, Any] = {}
        self._seen: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {}
        self.failed: dict[str, str] = {}
        # What a step averages, each with what it goes towards, and what it copies.
        self._floats: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._counts: list[tuple[Tensor, Tensor]] = []

    @property
    def kept(self) -> nn.Module:
        """The network with averaged weights, or the trained one where nothing is averaged."""
        return self._model[0] if self.average is None else self.average

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor | None:
        """Returns the loss, or nothing where no picture of the batch could be read."""
        self._note(batch)
        if not len(batch["target"]):
            return self._no_loss()
        parts = self.task(batch)
        scalars = {f"train/{name}": value for name, value in parts.items() if getattr(value, "ndim", 1) == 0}
        self.log_dict(scalars, on_step=True, on_epoch=True, batch_size=len(batch["target"]))
        return parts["loss"]  # type: ignore[no-any-return]

    def on_train_start(self) -> None:
        """Finds what is averaged and what is copied, once, for a step has better things to do."""
        if self.average is None:
            return
        live = self._model[0].state_dict()
        pairs = [(value, live[name]) for name, value in self.average.state_dict().items()]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._floats = [kept for kept, _ in floats], [value for _, value in floats]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    def on_train_batch_start(self, batch: dict[str, Any], index: int) -> None:
        """Seeds dropout by (seed, step, rank)."""
        torch.manual_seed(hash((self.seed, self.global_step, self.global_rank)))

    def on_train_batch_end(self, *args: Any) -> None:
        """Moves the average towards the trained weights; faster in the first steps."""
        if self.average is None:
            return
        decay = min(self.ema, (1 + self.global_step) / (10 + self.global_step))
        torch._foreach_lerp_(*self._floats, 1 - decay)
        for kept, live in self._counts:
            kept.copy_(live)

    def on_train_end(self) -> None:
        """Tells every process what any of them could not read."""
        for failed in self._of_all(self.failed):
            self.failed.update(failed)

    def on_validation_epoch_start(self) -> None:
        """Gives all processes the first one's running statistics; each moved its own in the last step."""
        if self.trainer.world_size > 1:
            for value in self.kept.buffers():
                torch.distributed.broadcast(value, src=0)

    def validation_step(self, batch: dict[str, Any], index: int, dataloader_idx: int = 0) -> None:
        """Collects what the kept weights say of a batch of a development set."""
        self._note(batch)
        if len(batch["target"]):
            outputs = self.task.predict(self.kept, batch)  # type: ignore[operator]
            seen = self._seen.setdefault(dataloader_idx, [])
            seen.append((batch["index"].cpu(), outputs.float().cpu(), batch["target"].cpu()))

    def on_validation_epoch_end(self) -> None:
        """Logs the task's figures as `dev/<name>` and writes the weights if they are the best so far."""
        gathered = [self._gathered(number) for number in range(len(self.sets))]
        self._seen.clear()
        found: dict[str, float] = {
            name + suffix: value
            for suffix, (outputs, targets) in zip(self.sets, gathered, strict=True)
            for name, value in self.task.measure(outputs, targets).items()  # type: ignore[operator]
        }
        outputs, targets = gathered[0]
        self.log_dict({f"dev/{name}": value for name, value in found.items()}, prog_bar=True)
        if self.every:
            self._write(self.best_file.with_name(f"epoch-{self.current_epoch:03d}.safetensors"))
        value = self._value(found)
        if self.best and value <= self.best["value"]:
            return
        self.best = {"value": value, "epoch": self.current_epoch, "figures": found}
        self.best |= {"outputs": outputs, "targets": targets}
        self._write(self.best_file)

    def _value(self, found: dict[str, float]) -> float:
        """What the chosen figure says, so that higher is better."""
        if self.choose == "last":
            return float(self.current_epoch)
        return sum(
            found[name] if self.directions[name] == "max" else -found[name] for name in self.choose.split("+")
        )

    def _write(self, file: Path) -> None:
        if self.trainer.is_global_zero:
            from safetensors.torch import save

            tensors = {name: value.cpu().contiguous() for name, value in self.kept.state_dict().items()}
            write_whole(file, save(tensors))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what was best so far."""
        checkpoint["best"] = self.best

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up what was best so far."""
        self.best = checkpoint["best"]

    def configure_optimizers(self) -> Any:
        """Returns the optimizer, which decays matrices, the rest only if asked, and a schedule per step."""
        # Of the task, not the model: a loss may learn a projection.
        trained = [value for value in self.task.parameters() if value.requires_grad]
        spared = self.weight_decay if self.decay_all else 0.0
        groups = [
            {"params": [value for value in trained if value.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [value for value in trained if value.ndim <= 1], "weight_decay": spared},
        ]
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[self.optimizer]
        optimizer = kind(groups, lr=self.lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        done = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))

    def _note(self, batch: dict[str, Any]) -> None:
        self.failed.update({failed.path: failed.reason for failed in batch["failed"]})

    def _no_loss(self) -> Tensor | None:
        """What a step without a picture returns: several processes have to meet in its gradients, all 0."""
        if self.trainer.world_size == 1:
            return None
        return 0.0 * sum(value.sum() for value in self.task.parameters() if value.requires_grad)  # type: ignore[return-value]

    def _gathered(self, number: int) -> tuple[Tensor, Tensor]:
        """Returns what was said of the rows of a development set, and their targets, in the rows' order."""
        seen = self._seen.get(number, [])
        mine = [torch.cat(parts) for parts in zip(*seen, strict=True)]
        shares = [share for share in self._of_all(mine) if share]
        index, outputs, targets = (torch.cat(parts) for parts in zip(*shares, strict=True))
        order = index.argsort()
        return outputs[order], targets[order]

    def _of_all(self, value: Any) -> list[Any]:
        """Returns what each process has, in the order of their ranks."""
        values = [value] * self.trainer.world_size
        if len(values) > 1:
            torch.distributed.all_gather_object(values, value)
        return values
