"""The objective of class masks: what it adds up, what it predicts, what it measures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from facetrust.losses.cross_entropy import cross_entropy
from facetrust.losses.dice import dice
from facetrust.losses.lovasz import lovasz
from facetrust.models import Classes
from facetrust.tasks import objective_of, task_named

NAMES = ("background", "skin", "hair")


class Painted(nn.Module):
    """Logits from the three channels, times a learnt factor."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, images: Tensor) -> Classes:
        return Classes(self.factor * images)


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(0)
    target = torch.randint(0, 3, (2, 1, 4, 5), generator=draw)
    return {"views": {"student": torch.randn(2, 1, 3, 4, 5, generator=draw)}, "target": target}


def test_the_task_is_about_faces_and_decides_nothing():
    task = task_named("parsing")
    assert (task.unit, task.target, task.output, task.distrusts) == ("face", "mask", "classes", False)
    assert task.protocol == "segmentation"


def test_the_loss_is_the_weighted_sum_of_its_parts(batch):
    model = Painted()
    losses = {"cross-entropy": {"weight": 0.5, "smoothing": 0.1}, "dice": {"weight": 2.0}, "lovasz": {}}
    task = objective_of("parsing")(model, losses, classes=NAMES)
    parts = task(batch)
    logits, truth = 2.0 * batch["views"]["student"][:, 0], batch["target"][:, 0]
    expected = {
        "cross-entropy": cross_entropy(logits, truth, smoothing=0.1),
        "dice": dice(logits, truth),
        "lovasz": lovasz(logits, truth),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value)
    total = 0.5 * expected["cross-entropy"] + 2 * expected["dice"] + expected["lovasz"]
    torch.testing.assert_close(parts["loss"], total)
    parts["loss"].backward()
    assert model.factor.grad.abs() > 0
    assert task.weights == {"cross-entropy": 0.5, "dice": 2.0, "lovasz": 1.0}


def test_without_losses_it_is_cross_entropy(batch):
    task = objective_of("parsing")(Painted(), classes=NAMES)
    parts = task(batch)
    assert set(parts) == {"cross-entropy", "loss", "outputs"}
    assert parts["loss"] == parts["cross-entropy"]
    assert parts["outputs"].shape == (2, 3, 4, 5)


def test_it_predicts_the_likeliest_class_and_measures_over_all_pixels(batch):
    task = objective_of("parsing")(Painted(), classes=NAMES)
    answer = task.predict(Painted(), batch)
    assert answer.shape == batch["target"].shape
    assert torch.equal(answer[1, 0].long(), batch["views"]["student"][1, 0].argmax(0))
    truth = torch.tensor([[[[0, 1, 1, 2]]], [[[1, 1, 2, 2]]]])
    said = torch.tensor([[[[0, 1, 1, 1]]], [[[1, 0, 2, 2]]]])
    figures = task.measure(said.float(), truth)
    assert figures["mean-f1"] == pytest.approx((6 / 8 + 4 / 5) / 2)
    assert figures["mean-iou"] == pytest.approx((3 / 5 + 2 / 3) / 2)
    assert set(figures) == set(task.figures)
