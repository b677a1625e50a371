from __future__ import annotations

import torch

from facetrust.explain.random_weights import with_shuffled_weights
from facetrust.models import create_model


def test_every_tensor_keeps_its_values_and_loses_their_order():
    torch.manual_seed(0)
    model = create_model("timm/mobilenetv3_small_050", image_size=(64, 64), stage=2).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(4, 3, 64, 64)
    other = with_shuffled_weights(model, images)
    for (name, ours), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(ours.flatten().sort().values, theirs.flatten().sort().values), name
    assert not torch.equal(model.head.weight, other.head.weight)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not [part for part in other.modules() if part.training]
    again, changed = (with_shuffled_weights(model, images, seed=seed) for seed in (0, 1))
    assert torch.equal(other.head.weight, again.head.weight)
    assert not torch.equal(other.head.weight, changed.head.weight)


def test_batch_norm_measures_the_images():
    torch.manual_seed(0)
    images = torch.randn(8, 3, 16, 16) * 3 + 1
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    found = with_shuffled_weights(net, images)(images)
    assert torch.allclose(found.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(found.std((0, 2, 3)), torch.ones(3), atol=1e-2)
