from __future__ import annotations

import pytest
import torch
from torch import nn

from facetrust.errors import ModelError
from facetrust.models import create_model
from facetrust.models.timm import library as timm
from facetrust.profile._network import as_published
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


@pytest.mark.parametrize("width", [None, 5])
def test_products_with_a_vector_or_a_larger_second_batch_are_counted(width):
    class Product(nn.Module):
        def forward(self, images):
            right = torch.zeros(8) if width is None else torch.zeros(4, 3, 8, width)
            return torch.matmul(images, right)

    assert count_macs(Product(), (1, 3, 6, 8)) == (3 * 6 * 8 if width is None else 4 * 3 * 6 * 8 * width)


def text_macs(width: int, *, layers: int = 12, tokens: int = 77) -> int:
    """Returns the products in a causal text tower's blocks, by hand; masked places are computed too."""
    return layers * (tokens * 12 * width * width + 2 * tokens * tokens * width)


def test_the_closed_form_of_the_sentences_gives_the_known_figures():
    assert round(text_macs(512) / 1e9, 2) == 2.98
    assert round(12 * text_macs(512) / 1e9, 2) == 35.75
    assert round(text_macs(384) / 1e9, 2) == 1.69
    assert round(12 * text_macs(384) / 1e9, 2) == 20.28


@pytest.mark.parametrize(("towers", "width"), [("vit-b16", 512), ("vit-t16", 384)])
def test_twelve_sentences_cost_the_closed_form(towers, width):
    """Two of the twelve blocks, as the others are like them."""

    class Sentences(nn.Module):
        def __init__(self):
            super().__init__()
            self.flip = as_published(create_model("flip-it", clip=towers, layers=2, image_size=(32, 32)))

        def forward(self, images):
            return self.flip.class_embeddings()

    projection = width * 512
    assert count_macs(Sentences().eval(), (1, 3, 32, 32)) == 12 * (text_macs(width, layers=2) + projection)


@pytest.mark.parametrize(("towers", "width"), [("vit-b16", 768), ("vit-t16", 192)])
def test_an_image_tower_of_clip_costs_the_closed_form(towers, width):
    tower = create_model(f"clip-{towers}", layers=2, image_size=(32, 64)).visual.eval()
    tokens, patches = 9, 8 * 3 * 16 * 16 * width
    blocks = 2 * (tokens * 12 * width * width + 2 * tokens * tokens * width)
    assert count_macs(tower, (1, 3, 32, 64)) == patches + blocks + width * 512
