from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from facetrust.tasks._binary.objective import Binary
from facetrust.tasks.antispoof.objective import objective as antispoof
from facetrust.tasks.deepfake.objective import objective as deepfake

Net = Callable[[float], nn.Module]
Batch = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("task", [antispoof, deepfake])
def test_a_task_hands_its_settings_on(task: Callable[..., Binary], brightness: Net, batch: Batch) -> None:
    made = task(brightness(2.0), {"binary-cross-entropy": {"weight": 0.3, "smoothing": 0.1}}, inside=True)
    assert isinstance(made, Binary)
    assert made.weights == {"binary-cross-entropy": 0.3}
    assert made.losses["binary-cross-entropy"].settings == {"smoothing": 0.1}
    assert made(batch(student=0.5))["inside"].output.logit.tolist() == pytest.approx([1.0, 1.0, 3.0, 3.0])


def test_loss_is_the_weighted_cross_entropy_of_the_mean_logits(brightness: Net, batch: Batch) -> None:
    parts = Binary(brightness(2.0), {"binary-cross-entropy": {"weight": 0.3}})(batch(student=0.5))
    assert parts["outputs"].tolist() == pytest.approx([1.0, 3.0])
    expected = (torch.log1p(torch.exp(torch.tensor(1.0))) + torch.log1p(torch.exp(torch.tensor(-3.0)))) / 2
    assert parts["binary-cross-entropy"].item() == pytest.approx(expected.item())
    assert parts["loss"].item() == pytest.approx(0.3 * expected.item())


def test_crops_of_a_face_are_averaged_before_the_loss(brightness: Net, batch: Batch) -> None:
    faces = batch(student=0.5)
    faces["views"]["student"][0, 1] = -0.5  # type: ignore[index]
    assert Binary(brightness(2.0))(faces)["outputs"].tolist() == pytest.approx([0.0, 3.0])


def test_smoothing_moves_the_optimum_to_a_finite_logit(brightness: Net, batch: Batch) -> None:
    far = batch(student=20.0)
    far["target"] = torch.ones(2)
    plain = Binary(brightness(1.0))(far)["loss"].item()
    assert plain == pytest.approx(0, abs=1e-6)
    assert Binary(brightness(1.0), {"binary-cross-entropy": {"smoothing": 0.1}})(far)[
        "loss"
    ].item() == pytest.approx(0.05 * 40, rel=1e-3)


def test_the_map_learns_where(brightness: Net, batch: Batch) -> None:
    faces = batch(student=0.5)
    faces["mask"] = torch.zeros(2, 2, 4, 4)
    faces["mask"][1, :, :2] = 1
    task = Binary(brightness(2.0), {"evidence-cross-entropy": {"weight": 0.5}})
    parts = task(faces)
    # Maps of 1 and 3 everywhere; called manipulated at 2; the second face is so in half of its cells.
    soft = [math.log1p(math.exp(z)) for z in (-1.0, 1.0)]
    assert parts["evidence-cross-entropy"].item() == pytest.approx((soft[0] + soft[1] - 0.5) / 2)
    assert parts["loss"].item() == pytest.approx(
        parts["binary-cross-entropy"].item() + 0.5 * parts["evidence-cross-entropy"].item()
    )
    assert task.weights == {"binary-cross-entropy": 1.0, "evidence-cross-entropy": 0.5}


def test_gradient_reaches_the_model(brightness: Net, batch: Batch) -> None:
    model = brightness(0.0)
    Binary(model)(batch(student=1.0))["loss"].backward()
    # d/df of [softplus(f) + softplus(-3f)] / 2 at 0.
    assert model.factor.grad is not None
    assert model.factor.grad.item() == pytest.approx((0.5 - 1.5) / 2)
