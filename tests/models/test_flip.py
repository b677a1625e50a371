"""FLIP against its definition, written out again here from open_clip's own two encoders."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from facetrust.errors import UnknownName
from facetrust.models import attention_of, create_model, look_inside
from facetrust.models._prompts import prompt_tokens

SMALL = {"image_size": (48, 32), "layers": 1, "clip": "vit-t16"}


def by_definition(clip: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The softmax's log odds of "spoof": mean of the six raw embeddings a class, then cosines."""
    texts = clip.encode_text(prompt_tokens().flatten(0, 1))
    classes = torch.stack([texts[:6].mean(0), texts[6:].mean(0)])
    classes = classes / classes.norm(dim=1, keepdim=True)
    image = clip.encode_image(images)
    image = image / image.norm(dim=1, keepdim=True)
    chances = (clip.logit_scale.exp() * image @ classes.T).softmax(1)
    return chances[:, 0].logit()


def test_flip_it_is_its_definition(flip_it, images):
    with torch.no_grad():
        found = flip_it(images).logit
        torch.testing.assert_close(found, by_definition(flip_it.model, images), atol=1e-4, rtol=1e-4)
    assert found.abs().min() > 0.01


def test_embeddings_are_not_normalised(flip_it, images):
    with torch.no_grad():
        assert flip_it.text_embeddings().shape == (2, 6, 512)
        torch.testing.assert_close(flip_it.class_embeddings(), flip_it.text_embeddings().mean(1))
        torch.testing.assert_close(flip_it.embed(images), flip_it.model.encode_image(images))
        assert (flip_it.embed(images).norm(dim=1) - 1).abs().min() > 0.1


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_folded_it_gives_the_same_logits(flip_it, images, dtype, tolerance):
    model, pictures = copy.deepcopy(flip_it).to(dtype), images.to(dtype)
    with torch.no_grad():
        folded, whole = model.fold()(pictures), model(pictures)
    torch.testing.assert_close(folded.logit, whole.logit, atol=tolerance, rtol=0)
    torch.testing.assert_close(folded.evidence, whole.evidence, atol=10 * tolerance, rtol=0)


def test_folding_is_a_picture_of_the_moment(flip_it, images):
    folded = flip_it.fold()
    before = folded(images).logit.detach()
    folded.visual.proj.data.zero_()
    assert not torch.equal(folded(images).logit, before)
    torch.testing.assert_close(flip_it(images).logit, before, atol=1e-4, rtol=1e-4)
    assert sum(value.numel() for value in folded.parameters()) < 2_000_000
    assert not folded.training


def test_class_embeddings_follow_the_text_tower(flip_it, images):
    model = copy.deepcopy(flip_it)
    before = model(images).logit
    with torch.no_grad():
        model.model.text_projection.mul_(torch.randn(512))
    assert not torch.allclose(model(images).logit, before, atol=1e-3)


def test_what_is_inside_is_the_image_tower(flip_it, images):
    inside = look_inside(flip_it, images)
    assert attention_of(inside).shape == (3, 2, 3, 7, 7)
    assert inside.hidden[-1].shape == (3, 7, 192)
    assert torch.equal(inside.embedding, flip_it.embed(images))


def test_flip_mcl_adds_the_contrasts_head(flip_it, images):
    assert not hasattr(flip_it, "project")
    torch.manual_seed(0)
    model = create_model("flip-mcl", **SMALL).eval()
    keys = {key.split(".", 1)[1] for key in model.state_dict() if key.startswith("image_mlp.")}
    assert {"layer1.weight", "bn1.running_mean", "layer2.bias", "bn2.weight", "layer3.bias"} <= keys
    embedding = model.embed(images)
    head = model.image_mlp
    expected = head.layer1(embedding)
    expected = head.layer2((expected / (1 + 1e-5) ** 0.5).clamp_min(0))
    expected = head.layer3((expected / (1 + 1e-5) ** 0.5).clamp_min(0))
    assert expected.shape == (3, 256)
    torch.testing.assert_close(model.project(embedding), expected, atol=1e-5, rtol=1e-4)


def test_flip_v_is_its_definition(images):
    torch.manual_seed(0)
    model = create_model("flip-v", **SMALL).eval()
    for value in (model.last.bias, model.last.weight, model.bottleneck.weight):
        nn.init.normal_(value, std=0.3)
    assert "backbone.vit.conv1.weight" in model.state_dict()
    with torch.no_grad():
        found, embedding = model(images).logit.numpy(), model.embed(images).numpy()
        pooled = model.backbone["vit"](images).numpy()  # Without a projection it is ln_post's class token.
    fc, last = model.bottleneck, model.last
    feature = np.maximum(pooled @ fc.weight.detach().numpy().T + fc.bias.detach().numpy(), 0)
    feature = feature / np.sqrt(2 * np.sqrt((feature**2).sum(1, keepdims=True)))
    weight = last.weight.detach().numpy()
    weight = weight / np.sqrt((weight**2).sum(0, keepdims=True))
    spoof, live = (feature @ weight.T + last.bias.detach().numpy()).T
    np.testing.assert_allclose(embedding, feature, atol=1e-5)
    np.testing.assert_allclose(found, spoof - live, atol=1e-4)


def test_flip_v_begins_as_the_paper_says():
    model = create_model("flip-v", **SMALL)
    assert model.bottleneck.weight.std().item() == pytest.approx(0.005, rel=0.05)
    assert model.last.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert set(model.bottleneck.bias.tolist()) == {torch.tensor(0.1).item()}
    assert model.last.bias.tolist() == [0, 0]
    images = torch.rand(2, 3, 48, 32)
    assert not torch.equal(model(images).logit, model(images).logit)


def test_an_unknown_variant_is_named():
    with pytest.raises(UnknownName, match="FLIP variant named 'cml'; did you mean 'mcl'"):
        create_model("flip-cml")
