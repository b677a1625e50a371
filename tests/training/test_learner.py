from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from facetrust.training.learner import Learner


class Task(nn.Module):
    figures: ClassVar = {"auc": "max"}

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
        self.scale = nn.Parameter(torch.tensor(2.0))
        with torch.no_grad():
            for value in self.parameters():
                value.fill_(2.0)


def after_a_step(optimizer: str, *, decay_all: bool, gradient: float = 0.0) -> dict[str, Tensor]:
    """Returns the parameters, all of them 2 before, after a step at rate 0.1 and decay 0.5."""
    task = Task()
    learner = Learner(
        task, task.model, best=Path("none"), steps=10, lr=0.1, final=1.0, weight_decay=0.5,
        decay_all=decay_all, optimizer=optimizer, ema=0,
    )  # fmt: skip
    for value in task.parameters():
        value.grad = torch.full_like(value, gradient)
    made = learner.configure_optimizers()
    made["optimizer"].step()
    return {name: value.detach() for name, value in task.named_parameters()}


MATRICES = {"model.0.weight", "model.2.weight"}
VECTORS = {"model.0.bias", "model.1.weight", "model.1.bias", "model.2.bias", "scale"}


@pytest.mark.parametrize("optimizer", ["adamw", "adam"])
def test_norms_and_biases_decay_only_if_asked(optimizer: str) -> None:
    """Without a gradient AdamW takes rate times decay of a weight; Adam, whose gradient it is, one rate."""
    expected = 2 - (0.1 * 0.5 * 2 if optimizer == "adamw" else 0.1)
    for decay_all in (False, True):
        found = after_a_step(optimizer, decay_all=decay_all)
        assert set(found) == MATRICES | VECTORS
        for name, value in found.items():
            wanted = expected if decay_all or name in MATRICES else 2.0
            torch.testing.assert_close(value, torch.full_like(value, wanted), rtol=0, atol=1e-5, msg=name)


def test_adam_with_decay_of_all_is_torchs_adam_over_all_parameters() -> None:
    """As FLIP's code makes it: `Adam(parameters, lr, weight_decay)`."""
    plain = Task()
    for value in plain.parameters():
        value.grad = torch.full_like(value, -0.7)
    torch.optim.Adam(plain.parameters(), lr=0.1, weight_decay=0.5).step()
    found = after_a_step("adam", decay_all=True, gradient=-0.7)
    for name, value in plain.named_parameters():
        torch.testing.assert_close(found[name], value.detach())
