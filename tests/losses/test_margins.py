"""ArcFace, CosFace, the combined margin and AdaFace against slow references, and at their edges."""

from __future__ import annotations

import math

import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import loss_module
from facetrust.losses.adaface import Adaface, adaface
from facetrust.losses.arcface import arcface
from facetrust.losses.combined_margin import combined_margin
from facetrust.losses.cosface import cosface

# Own cosines from one end to the other, the corners beyond theta + m = pi among them.
OWN = [-1.0, -0.99, -0.9, -0.5, 0.0, 0.3, 0.8, 0.99, 1.0]
OTHERS = [0.4, -0.2, 0.1]
WHO = [n % 4 for n in range(len(OWN))]


def given() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns cosines (9, 4) whose own ones are `OWN`, and identities."""
    rows = [[*OTHERS[:who], own, *OTHERS[who:]] for own, who in zip(OWN, WHO, strict=True)]
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(WHO)


def slow(own_logit: float, scale: float) -> float:
    """Returns -log of the own class's share, one exponential at a time."""
    total = math.exp(own_logit) + sum(math.exp(scale * other) for other in OTHERS)
    return math.log(total) - own_logit


def slow_arc(cosine: float, margin: float) -> float:
    theta = math.acos(cosine)
    if theta + margin >= math.pi:
        return cosine - margin * math.sin(margin)
    return math.cos(theta + margin)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.5])
@pytest.mark.parametrize("scale", [1.0, 30.0, 64.0])
def test_arcface_is_the_formula_with_its_branch(margin, scale):
    each = arcface(*given(), margin=margin, scale=scale, reduction="none")
    wanted = [slow(scale * slow_arc(own, margin), scale) for own in OWN]
    # At the ends sin is 0.001 and not 0: a thousandth of the margin's sine, times the scale.
    torch.testing.assert_close(each, torch.tensor(wanted, dtype=torch.float64), atol=2e-3 * scale, rtol=1e-6)
    torch.testing.assert_close(each[1:-1].tolist(), wanted[1:-1])


@pytest.mark.parametrize("margin", [0.0, 0.35, 1.0])
def test_cosface_is_the_formula(margin):
    each = cosface(*given(), margin=margin, scale=64, reduction="none").tolist()
    assert each == pytest.approx([slow(64 * (own - margin), 64) for own in OWN])


def test_without_a_margin_all_are_the_same_softmax():
    plain = torch.nn.functional.cross_entropy(64 * given()[0], given()[1])
    for loss in (arcface, cosface):
        torch.testing.assert_close(loss(*given(), margin=0), plain)


def test_the_combined_margin_holds_both_and_sphereface():
    one = combined_margin(*given(), angle=0.5, cosine=0.0, reduction="none")
    torch.testing.assert_close(one, arcface(*given(), margin=0.5, reduction="none"))
    other = combined_margin(*given(), angle=0.0, cosine=0.4, reduction="none")
    torch.testing.assert_close(other, cosface(*given(), margin=0.4, reduction="none"))
    both = combined_margin(*given(), times=1.2, angle=0.3, cosine=0.2, scale=8, reduction="none").tolist()
    wanted = []
    for own in OWN[1:-1]:
        moved = 1.2 * math.acos(own) + 0.3
        joined = own - 1 - math.cos((math.pi - 0.3) / 1.2)
        wanted.append(slow(8 * ((joined if moved >= math.pi else math.cos(moved)) - 0.2), 8))
    assert both[1:-1] == pytest.approx(wanted)


@pytest.mark.parametrize(
    "settings", [{"angle": 0.5}, {"times": 1.35, "angle": 0.0}, {"times": 2.0, "angle": 0.3}]
)
def test_a_face_farther_from_its_class_never_costs_less(settings):
    own = torch.linspace(1, -1, 2001, dtype=torch.float64)
    cosines = torch.stack([own, torch.zeros_like(own)], 1)
    each = combined_margin(
        cosines, torch.zeros(2001, dtype=torch.int64), scale=1, reduction="none", **settings
    )
    assert (each.diff() > -1e-6).all()


def test_arcfaces_gradient_is_the_formulas():
    cosines, who = given()
    cosines.requires_grad_()
    arcface(cosines, who, margin=0.5, scale=4, reduction="none").sum().backward()
    for row, (own, number) in enumerate(zip(OWN, WHO, strict=True)):
        theta = math.acos(own)
        moved = slow_arc(own, 0.5)
        share = math.exp(4 * moved) / (math.exp(4 * moved) + sum(math.exp(4 * other) for other in OTHERS))
        if own in (-1.0, 1.0):
            assert torch.isfinite(cosines.grad[row]).all()
            continue
        slope = 1.0 if theta + 0.5 >= math.pi else math.sin(theta + 0.5) / math.sin(theta)
        assert cosines.grad[row, number].item() == pytest.approx(4 * slope * (share - 1))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", [arcface, cosface, combined_margin])
def test_halves_are_computed_in_full(loss, half):
    cosines = given()[0].to(half).requires_grad_()
    value = loss(cosines, given()[1])
    assert value.dtype == half
    assert value.item() == pytest.approx(loss(cosines.detach().double(), given()[1]).item(), rel=0.01)
    value.backward()
    assert torch.isfinite(cosines.grad).all()


def test_cosines_that_rounding_led_past_one_are_cut():
    cosines = torch.tensor([[1.0000002, -1.0000002]])
    for loss in (arcface, cosface, combined_margin):
        assert torch.isfinite(loss(cosines, torch.tensor([1])))


def slow_ada(own: float, norm: float, mean: float, deviation: float) -> float:
    quality = max(-1.0, min(1.0, 0.333 * (min(norm, 100.0) - mean) / (deviation + 1e-3)))
    theta = min(max(math.acos(own) - 0.4 * quality, 1e-3), math.pi - 1e-3)
    return math.cos(theta) - 0.4 - 0.4 * quality


NORMS = [1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 60.0, 500.0]


def test_adaface_is_the_formula():
    cosines, who = given()
    norms = torch.tensor(NORMS, dtype=torch.float64)
    cut = [min(norm, 100.0) for norm in NORMS]
    mean = sum(cut) / len(cut)
    deviation = math.sqrt(sum((norm - mean) ** 2 for norm in cut) / (len(cut) - 1))
    each = adaface(cosines, norms, who, scale=8, reduction="none").tolist()
    wanted = [slow(8 * slow_ada(own, norm, mean, deviation), 8) for own, norm in zip(OWN, NORMS, strict=True)]
    assert each[1:-1] == pytest.approx(wanted[1:-1])
    assert each == pytest.approx(wanted, abs=0.02)
    fixed = adaface(cosines, norms, who, scale=8, statistics=(20.0, 100.0), reduction="none").tolist()
    assert fixed[2] == pytest.approx(slow(8 * slow_ada(OWN[2], NORMS[2], 20, 100), 8))


def test_adaface_asks_more_of_a_good_picture():
    cosines, who = torch.full((2, 3), 0.5, dtype=torch.float64), torch.tensor([0, 0])
    poor, good = adaface(cosines, torch.tensor([5.0, 30.0]), who, reduction="none")
    assert good > poor


def test_adaface_keeps_its_statistics_in_training_alone():
    module = loss_module("adaface", momentum=0.25)
    assert isinstance(module, Adaface)
    cosines, who = given()
    first, second = torch.tensor(NORMS), torch.tensor(NORMS) + 20
    module(cosines, first, who)
    kept = torch.stack([first.clamp(max=100).mean(), first.clamp(max=100).std()])
    torch.testing.assert_close(module.statistics, kept)
    module(cosines, second, who)
    seen = torch.stack([second.clamp(max=100).mean(), second.clamp(max=100).std()])
    torch.testing.assert_close(module.statistics, 0.75 * kept + 0.25 * seen)
    module.eval()
    before = module.statistics.clone()
    module(cosines, first, who)
    assert torch.equal(module.statistics, before)
    assert torch.isfinite(adaface(cosines[:1], first[:1], who[:1]))


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("arcface", {"margin": -0.1}),
        ("arcface", {"margin": 3.2}),
        ("cosface", {"scale": 0}),
        ("adaface", {"margin": 2}),
    ],
)
def test_settings_out_of_range_are_refused(loss, settings):
    inputs = (*given(),) if loss != "adaface" else (given()[0], torch.ones(9), given()[1])
    with pytest.raises(UsageError, match=next(iter(settings))):
        loss_module(loss, **settings)(*inputs)
