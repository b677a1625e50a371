"""The losses of class masks, each against a slow reference that counts pixel by pixel."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from facetrust.errors import UsageError
from facetrust.losses.channel_distillation import channel_distillation
from facetrust.losses.cross_entropy import cross_entropy
from facetrust.losses.dice import dice
from facetrust.losses.lovasz import lovasz
from facetrust.losses.pixel_distillation import pixel_distillation

BATCH, CLASSES, ROWS, COLUMNS = 2, 4, 3, 2
PLACES = list(itertools.product(range(ROWS), range(COLUMNS)))
DRAW = torch.Generator().manual_seed(0)
LOGITS = torch.randn(BATCH, CLASSES, ROWS, COLUMNS, generator=DRAW, dtype=torch.float64)
TEACHER = torch.randn(BATCH, CLASSES, ROWS, COLUMNS, generator=DRAW, dtype=torch.float64)
# The second picture has no pixel of class 1; nothing has one of class 3.
TRUTH = torch.tensor([[[0, 1], [2, 2], [1, 0]], [[2, 2], [0, 2], [0, 0]]])


def probabilities(logits: Tensor, over: list[tuple[int, ...]], temperature: float = 1.0) -> dict:
    powers = {place: math.exp(float(logits[place]) / temperature) for place in over}
    return {place: value / sum(powers.values()) for place, value in powers.items()}


def shares(picture: int, y: int, x: int, logits: Tensor = LOGITS, temperature: float = 1.0) -> list[float]:
    """Softmax over the classes of one pixel."""
    over = [(picture, c, y, x) for c in range(CLASSES)]
    return list(probabilities(logits, over, temperature).values())


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(smoothing):
    expected = []
    for n in range(BATCH):
        costs = []
        for y, x in PLACES:
            p = shares(n, y, x)
            target = [
                smoothing / CLASSES + (1 - smoothing) * (c == int(TRUTH[n, y, x])) for c in range(CLASSES)
            ]
            costs.append(-sum(t * math.log(each) for t, each in zip(target, p, strict=True)))
        expected.append(sum(costs) / len(costs))
    found = cross_entropy(LOGITS, TRUTH, smoothing=smoothing, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-10)
    with pytest.raises(UsageError, match="smoothing"):
        cross_entropy(LOGITS, TRUTH, smoothing=1.5)


@pytest.mark.parametrize("background", [False, True])
def test_dice_is_one_minus_a_soft_f1_of_the_classes_that_are_there(background):
    expected = []
    for n in range(BATCH):
        costs = []
        for c in range(0 if background else 1, CLASSES):
            p = [shares(n, y, x)[c] for y, x in PLACES]
            t = [float(TRUTH[n, y, x] == c) for y, x in PLACES]
            if any(t):
                costs.append(1 - 2 * sum(a * b for a, b in zip(p, t, strict=True)) / (sum(p) + sum(t)))
        expected.append(sum(costs) / len(costs))
    found = dice(LOGITS, TRUTH, background=background, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


def test_dice_of_sure_answers_is_one_minus_f1():
    # Class 1: hit once of two, and once answered wrongly: F1 = 2 / (2 + 1 + 1). Class 2 is missed.
    truth = torch.tensor([[[1, 1, 2, 0]]])
    answer = torch.tensor([[[1, 0, 1, 0]]])
    logits = 50 * torch.nn.functional.one_hot(answer, 3).movedim(3, 1).double()
    assert dice(logits, truth).item() == pytest.approx(1 - (0.5 + 0) / 2, abs=1e-9)
    assert dice(logits, torch.zeros_like(truth)).item() == 0


def jaccard_loss(wrong: tuple[bool, ...], t: list[float]) -> float:
    """1 - IoU of a class where these pixels are wrong."""
    both = sum(bool(a) and not w for a, w in zip(t, wrong, strict=True))
    either = sum(bool(a) or w for a, w in zip(t, wrong, strict=True))
    return 1 - both / either


def test_lovasz_is_the_extension_of_one_minus_iou():
    """By Choquet's integral: the mean over thresholds of the loss of the pixels whose error lies above."""
    expected = []
    for n in range(BATCH):
        costs = []
        for c in range(CLASSES):
            t = [float(TRUTH[n, y, x] == c) for y, x in PLACES]
            if not any(t):
                continue
            errors = [abs(a - shares(n, y, x)[c]) for a, (y, x) in zip(t, PLACES, strict=True)]
            steps = sorted({0.0, *errors})
            costs.append(
                sum(
                    (high - low) * jaccard_loss(tuple(e > low for e in errors), t)
                    for low, high in itertools.pairwise(steps)
                )
            )
        expected.append(sum(costs) / len(costs))
    assert lovasz(LOGITS, TRUTH, reduction="none").tolist() == pytest.approx(expected, rel=1e-10)


def test_lovasz_of_sure_answers_is_one_minus_iou():
    truth = torch.tensor([[[1, 1, 2, 0]]])
    answer = torch.tensor([[[1, 0, 1, 0]]])
    logits = 50 * torch.nn.functional.one_hot(answer, 3).movedim(3, 1).double()
    # Background: one hit, one false. Class 1: one hit, one missed, one false. Class 2: missed.
    assert lovasz(logits, truth).item() == pytest.approx(1 - (1 / 2 + 1 / 3 + 0) / 3, abs=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_pixel_distillation(temperature):
    expected = [
        temperature**2
        * sum(
            divergence(shares(n, y, x, TEACHER, temperature), shares(n, y, x, LOGITS, temperature))
            for y, x in PLACES
        )
        / len(PLACES)
        for n in range(BATCH)
    ]
    found = pixel_distillation(LOGITS, TEACHER, temperature=temperature, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-10)
    assert pixel_distillation(TEACHER, TEACHER).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_channel_distillation(temperature):
    expected = []
    for n in range(BATCH):
        costs = []
        for c in range(CLASSES):
            over = [(n, c, y, x) for y, x in PLACES]
            p, q = (list(probabilities(z, over, temperature).values()) for z in (TEACHER, LOGITS))
            costs.append(divergence(p, q))
        expected.append(temperature**2 * sum(costs) / CLASSES)
    found = channel_distillation(LOGITS, TEACHER, temperature=temperature, reduction="none")
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


def test_a_channel_is_compared_by_where_it_is_and_not_by_how_much():
    """A logit that is higher everywhere says nothing of place; for a pixel's classes it says much."""
    shift = torch.zeros(1, CLASSES, 1, 1, dtype=torch.float64)
    shift[:, 1] = 5.0
    assert channel_distillation(TEACHER + shift, TEACHER).item() == pytest.approx(0, abs=1e-12)
    assert pixel_distillation(TEACHER + shift, TEACHER).item() > 0.1


@pytest.mark.parametrize("loss", [pixel_distillation, channel_distillation])
def test_a_temperature_of_zero_is_refused(loss):
    with pytest.raises(UsageError, match="temperature"):
        loss(LOGITS, TEACHER, temperature=0)
