"""What is seen inside a network must be what the network itself computed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facetrust.errors import UsageError
from facetrust.models import attention_of, create_model, look_inside
from facetrust.models._inside import heads_of


def hooks_in(model: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


@pytest.fixture
def vit():
    torch.manual_seed(0)
    return create_model("timm/test_vit", image_size=(64, 48)).eval()


def test_a_vit_shows_every_block(vit):
    images = torch.rand(2, 3, 64, 48)
    inside = look_inside(vit, images)
    assert [part.shape for part in inside.hidden] == [(2, 13, 64)] * 6
    assert [part.shape for part in inside.queries + inside.keys + inside.values] == [(2, 2, 13, 32)] * 18
    assert torch.equal(inside.output.logit, vit(images).logit)
    # The last block's patch tokens, normalised and averaged, are the pooled embedding.
    tokens = vit.features.backbone.norm(inside.hidden[-1])[:, 1:]
    torch.testing.assert_close(inside.embedding, tokens.mean(1))


def test_maps_times_values_are_the_attentions_own_output(vit):
    own = []
    for block in vit.features.backbone.blocks:
        block.attn.proj.register_forward_pre_hook(lambda module, args: own.append(args[0]))
    inside = look_inside(vit, torch.rand(2, 3, 64, 48))
    maps = attention_of(inside)
    assert maps.shape == (2, 6, 2, 13, 13)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 6, 2, 13))
    for layer, (values, expected) in enumerate(zip(inside.values, own, strict=True)):
        made = (maps[:, layer] @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(made, expected, atol=1e-6, rtol=1e-5)


def test_normalised_queries_and_keys_are_respected():
    torch.manual_seed(0)
    from timm.layers.attention import Attention

    attention = Attention(16, num_heads=2, qk_norm=True, norm_layer=nn.LayerNorm).eval()
    nn.init.uniform_(attention.q_norm.weight, 1, 3)
    attention.fused_attn = False
    tokens = torch.randn(2, 5, 16)
    query, key, value = heads_of(attention, tokens)
    made = (query @ key.mT / 8**0.5).softmax(-1) @ value
    torch.testing.assert_close(attention.proj(made.transpose(1, 2).flatten(2)), attention(tokens))


def test_torchs_own_attention_gives_the_same_maps():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    nn.init.normal_(attention.in_proj_bias)
    tokens = torch.randn(2, 5, 16)
    query, key, _ = heads_of(attention, tokens)
    _, expected = attention(tokens, tokens, tokens, average_attn_weights=False)
    torch.testing.assert_close((query @ key.mT / 2).softmax(-1), expected)


def test_gradients_flow_and_no_hook_stays(vit):
    images = torch.rand(1, 3, 64, 48, requires_grad=True)
    before = hooks_in(vit)
    inside = look_inside(vit, images)
    attention_of(inside).square().sum().backward()
    assert images.grad.abs().sum() > 0
    assert vit.features.backbone.blocks[5].attn.qkv.weight.grad.abs().sum() > 0
    with pytest.raises(AssertionError):
        look_inside(vit, torch.rand(1, 3, 7, 7))
    assert hooks_in(vit) == before


@pytest.mark.parametrize(
    ("name", "width"), [("timm/mobilenetv3_small_050", 288), ("timm/mobilevit_xxs", 320), ("minifasnet", 128)]
)
def test_other_networks_show_their_embedding_only(name, width):
    size = (80, 80) if name == "minifasnet" else (64, 64)
    model = create_model(name, image_size=size).eval()
    inside = look_inside(model, torch.rand(2, 3, *size))
    assert inside.embedding.shape == (2, width)
    assert inside[2:6] == ((), (), (), ())
    if inside.map is not None:  # Where the network keeps a feature map, its mean is the embedding.
        assert torch.allclose(inside.map.mean((2, 3)), inside.embedding, atol=1e-5)
    assert (inside.map is None) == (name == "minifasnet")
    with pytest.raises(UsageError, match="no attention maps"):
        attention_of(inside)


def test_a_network_that_says_nothing_is_an_error():
    with pytest.raises(UsageError, match="Identity gives answers only"):
        look_inside(nn.Identity(), torch.rand(1, 3, 8, 8))


def test_a_convolutional_network_shows_its_last_feature_map():
    model = create_model("timm/efficientnet_lite0", image_size=(64, 64), block=4).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        inside = look_inside(model, images)
        assert torch.equal(inside.map, model.features(images))
    assert not model.features._forward_hooks
