"""A narrow chain begins with a wide one's weights, as near to it as least squares can bring it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.models import create_model
from facetrust.models.sface import SFace, sface
from facetrust.training.inheritance import inherit

SIZE = (32, 32)
WIDE = [4, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 12, 12]


def network(widths: list[int], *, squeeze: int = 0, seed: int = 0) -> SFace:
    """Returns a network whose normalisations have seen something."""
    torch.manual_seed(seed)
    model = sface(image_size=SIZE, widths=widths, squeeze=squeeze, embedding=8)
    for _ in range(20):
        model.train()(torch.randn(16, 3, *SIZE))
    for part in model.modules():
        if isinstance(part, nn.PReLU):
            nn.init.uniform_(part.weight, 0.0, 0.5)
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
    return model.eval()


def cosine(one: nn.Module, other: nn.Module, images: torch.Tensor) -> float:
    with torch.no_grad():
        answers = [model(images).embedding for model in (one, other)]
    centred = [answer - answer.mean(0) for answer in answers]
    return float(functional.cosine_similarity(*centred).mean())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(48, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def test_channels_that_say_nothing_new_are_left_out_and_nothing_is_lost(images):
    teacher = network(WIDE)
    with torch.no_grad():  # In every layer the last two channels repeat the first two.
        for unit in [teacher.stem, *(block[1] for block in teacher.blocks)]:
            parts = [unit.conv.weight, unit.prelu.weight, unit.bn.weight, unit.bn.bias]
            for part in [*parts, unit.bn.running_mean, unit.bn.running_var]:
                part[-2:] = part[:2]
        for block in teacher.blocks:
            unit = block[0]
            parts = [unit.conv.weight, unit.prelu.weight, unit.bn.weight, unit.bn.bias]
            for part in [*parts, unit.bn.running_mean, unit.bn.running_var]:
                part[-2:] = part[:2]
    student = network([width - 2 for width in WIDE], seed=3)
    assert cosine(student, teacher, images) < 0.5
    inherit(student, teacher, images)
    assert cosine(student, teacher, images) > 0.95
    assert cosine(student, teacher, torch.randn(16, 3, *SIZE)) > 0.9


def test_all_channels_give_the_same_network_and_a_squeeze_keeps_what_matters(images):
    teacher = network(WIDE)
    whole = network(WIDE, seed=3)
    inherit(whole, teacher, images)
    assert cosine(whole, teacher, images) > 0.99
    squeezed = network(WIDE, squeeze=10, seed=3)
    inherit(squeezed, teacher, images)
    assert cosine(squeezed, teacher, images) > 0.9


def test_a_narrower_one_is_nearer_than_chance_and_trains_on_from_there(images):
    teacher, student = network(WIDE), network([3, 4, *[6] * 10, 8, 8], seed=3)
    before = cosine(student, teacher, images)
    inherit(student, teacher, images)
    after = cosine(student, teacher, images)
    assert after > before + 0.3
    # Normalisation by the batch itself says about what the kept statistics do.
    with torch.no_grad():
        kept = student.eval()(images).embedding
        own = student.train()(images).embedding
    assert functional.cosine_similarity(kept, own).mean() > 0.95


def test_other_layouts_and_wider_students_are_refused(images):
    with pytest.raises(UsageError, match="sface's layout"):
        inherit(create_model("mobilefacenet-s", image_size=SIZE), network(WIDE), images)
    with pytest.raises(UsageError, match="not all within"):
        inherit(network([5, *WIDE[1:]]), network(WIDE), images)
