from __future__ import annotations

import pytest
import torch
from torch import nn

from facetrust.errors import ModelError
from facetrust.models.timm import library as timm
from facetrust.profile._torch_macs import count_macs


def vit_macs(width: int, *, layers: int = 12, side: int = 14, patch: int = 16) -> tuple[int, int]:
    """Returns a plain ViT's products outside attention, and its two products inside, by hand."""
    tokens = side * side + 1
    patches = side * side * 3 * patch * patch * width
    per_layer = tokens * (3 + 1 + 4 + 4) * width * width
    return patches + layers * per_layer, layers * 2 * tokens * tokens * width


def test_the_closed_form_gives_the_known_figures():
    assert [round(count / 1e9, 2) for count in vit_macs(768)] == [16.85, 0.72]
    assert round(sum(vit_macs(768)) / 1e9, 2) == 17.56
    assert round(vit_macs(192)[0] / 1e9, 3) == 1.075
    assert round(sum(vit_macs(192)) / 1e9, 3) == 1.253


@pytest.mark.parametrize("fused", [True, False])
def test_a_vit_costs_the_closed_form_attention_included(fused):
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0).eval()
    for block in model.blocks:
        block.attn.fused_attn = fused
    assert count_macs(model, (1, 3, 224, 224)) == sum(vit_macs(192))


def test_vit_b16_costs_17_56_g_and_its_classifier():
    with torch.device("meta"):
        model = timm.create_model("vit_base_patch16_224").eval()
    model.to_empty(device="cpu")  # What the weights are does not matter to a count.
    assert sum(p.numel() for p in model.parameters()) == 86_567_656
    assert count_macs(model, (1, 3, 224, 224)) == sum(vit_macs(768)) + 768 * 1000


def test_norms_activations_and_pooling_are_not_counted():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    ).eval()
    assert count_macs(model, (1, 3, 10, 12)) == 4 * 8 * 10 * 27 + 20


@pytest.mark.parametrize("product", ["bmm", "baddbmm", "einsum"])
def test_free_products_are_counted(product):
    class Product(nn.Module):
        def forward(self, images):
            left, right = images[0], images[0].transpose(1, 2)
            if product == "bmm":
                return torch.bmm(left, right)
            if product == "einsum":
                return torch.einsum("cik,ckj->cij", left, right)
            return torch.baddbmm(torch.zeros(3, 6, 6), left, right)

    assert count_macs(Product(), (1, 3, 6, 8)) == 3 * 6 * 6 * 8


def test_a_layer_that_hides_its_products_is_refused():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 4, batch_first=True)

        def forward(self, images):
            return self.lstm(images[:, 0])[0]

    with pytest.raises(ModelError, match="aten::lstm cannot be counted"):
        count_macs(Recurrent(), (1, 3, 6, 8))


def test_a_size_that_does_not_fit_is_one_line():
    with pytest.raises(ModelError, match="Linear cannot be traced") as raised:
        count_macs(nn.Linear(5, 2), (1, 3, 6, 8))
    assert "\n" not in str(raised.value)
