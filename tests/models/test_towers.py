"""The towers are CLIP's: exact sizes, open_clip's own answers, and the text cut short without loss."""

from __future__ import annotations

import sys

import pytest
import torch

from facetrust.errors import MissingExtra, UnknownName, UsageError
from facetrust.models import create_model
from facetrust.models._prompts import LONGEST, prompt_tokens
from facetrust.models._tokens import tokens_of
from facetrust.models._towers import encode_prompts, encode_text, towers

# Published counts: OpenAI's ViT-B/16 and CLIP-KD's ViT-T/16; FLIP-MCL adds the head of the contrast.
COUNTS = [
    ("flip-it", {"clip": "vit-b16"}, 149_620_737),
    ("flip-mcl", {"clip": "vit-b16"}, 169_568_513),
    ("flip-it", {"clip": "vit-t16"}, 46_116_097),
    ("clip-vit-t16", {}, 5_622_912 + 2 * 512 + 1),
    ("clip-vit-b16", {}, 86_192_640 + 2 * 512 + 1),
    # Without CLIP's projection, with the bottleneck and two classes.
    ("flip-v", {}, 86_192_640 - 768 * 512 + (768 + 1) * 512 + (512 + 1) * 2),
]


@pytest.mark.parametrize(("name", "settings", "count"), COUNTS)
def test_sizes_are_exactly_the_published_ones(name, settings, count):
    with torch.device("meta"):
        model = create_model(name, **settings)
    assert sum(value.numel() for value in model.parameters()) == count


def test_keys_are_those_of_clip():
    with torch.device("meta"):
        model, _ = towers("vit-b16", image_size=(224, 224))
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert shapes["visual.positional_embedding"] == (197, 768)
    assert shapes["visual.transformer.resblocks.11.attn.in_proj_weight"] == (2304, 768)
    assert shapes["token_embedding.weight"] == (49408, 512)
    assert shapes["text_projection"] == (512, 512)
    assert shapes["logit_scale"] == ()


def test_text_cut_behind_the_longest_end_is_the_same(flip_it):
    with torch.no_grad():
        whole = flip_it.model.encode_text(prompt_tokens().flatten(0, 1)).reshape(2, 6, -1)
        short = encode_prompts(flip_it.model, prompt_tokens(LONGEST))
        padded = encode_text(flip_it.model, prompt_tokens()[0])
    torch.testing.assert_close(short, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded, whole[0], atol=1e-5, rtol=1e-5)
    assert whole.std() > 0.1


def test_the_walk_through_the_tower_is_the_towers_own(flip_it, images):
    visual = flip_it.model.visual
    with torch.no_grad():
        tokens, share = tokens_of(visual, images)
        torch.testing.assert_close(visual.ln_post(tokens[:, 0]) @ visual.proj, visual(images))
    assert share.shape == (3, 3, 2)
    torch.testing.assert_close(share.sum((1, 2)), torch.ones(3))


def test_shares_are_the_class_tokens_attention_in_the_last_block(flip_it, images):
    visual = flip_it.model.visual
    seen = []
    block = visual.transformer.resblocks[-1]
    hook = block.ln_1.register_forward_hook(lambda module, args, out: seen.append(out))
    with torch.no_grad():
        _, share = tokens_of(visual, images)
        hook.remove()
        _, weights = block.attn(seen[-1], seen[-1], seen[-1], average_attn_weights=True)
    patches = weights[:, 0, 1:]
    expected = (patches / patches.sum(1, keepdim=True)).reshape(3, 3, 2)
    torch.testing.assert_close(share, expected, atol=1e-6, rtol=1e-5)


def test_what_cannot_be_built_says_why(flip_it):
    with pytest.raises(UnknownName, match="did you mean 'vit-b16'"):
        create_model("clip-vit-b32")
    with pytest.raises(UnknownName, match="no CLIP named 'tiny'"):
        create_model("flip-it", clip="tiny")
    for size in [(224, 200), (0, 16)]:
        with pytest.raises(UsageError, match="multiples of 16"):
            create_model("clip-vit-t16", image_size=size)
    with pytest.raises(UsageError, match=r"images are \(32, 32\).*image_size \(48, 32\)"):
        flip_it(torch.rand(1, 3, 32, 32))


def test_without_open_clip_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    for settings in ({}, {"pretrained": "openai"}):
        with pytest.raises(MissingExtra, match=r"open-clip-torch is not installed.*facetrust\[train\]"):
            create_model("clip-vit-b16", **settings)
