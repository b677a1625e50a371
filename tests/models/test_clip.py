"""The deployable student: it embeds, compares, says where from, and leaves as ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from facetrust.errors import UnknownName, UsageError
from facetrust.export.onnx import export
from facetrust.export.parity import parity
from facetrust.model_file import open_session
from facetrust.models import attention_of, create_model, load_checkpoint, look_inside, save_checkpoint
from facetrust.records import ModelCard, Preprocessing

SMALL = {"image_size": (48, 32), "layers": 2}


def built(**settings):
    torch.manual_seed(0)
    return create_model("clip-vit-t16", **SMALL, **settings).eval()


def card_of(name="clip-vit-t16"):
    how = Preprocessing(size=(48, 32), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return ModelCard(name="t", task="antispoof", architecture=name, preprocessing=how, score_means="attack")


def test_cls_pooling_is_clips_own_embedding(images):
    model = built()
    with torch.no_grad():
        torch.testing.assert_close(model.embed(images), model.visual(images))
        torch.testing.assert_close(model(images).logit, model.head(model.visual(images)))
    assert "not what each part adds" in model.evidence_means


def test_mean_pooling_averages_the_projected_patches(images):
    model = built(pool="mean")
    inside = look_inside(model, images)
    with torch.no_grad():
        parts = model.visual.ln_post(inside.hidden[-1][:, 1:]) @ model.visual.proj
        torch.testing.assert_close(inside.embedding, parts.mean(1))
        torch.testing.assert_close(inside.output.logit, model.head(parts.mean(1)), atol=1e-5, rtol=1e-4)
        # Linear up to the length: taking a patch's part away takes its evidence away.
        scale = model.head.logit_scale.exp()
        spoof, live = torch.nn.functional.normalize(model.head.classes, dim=1)
        share = scale * parts[0, 5] @ (spoof - live) / parts.mean(1)[0].norm()
    torch.testing.assert_close(inside.output.evidence[0, 2, 1], share, atol=1e-5, rtol=1e-4)
    assert "what each patch token adds" in model.evidence_means


def test_attention_is_seen_in_every_block(images):
    model = built()
    maps = attention_of(look_inside(model, images))
    assert maps.shape == (3, 2, 3, 7, 7)
    with torch.no_grad():
        share = maps[:, -1, :, 0, 1:].mean(1)
        evidence = model(images).evidence.flatten(1)
    expected = model(images).logit[:, None] * 6 * share / share.sum(1, keepdim=True)
    torch.testing.assert_close(evidence, expected.detach(), atol=1e-5, rtol=1e-4)


def test_a_teachers_classes_are_taken(flip_it, images):
    model = built()
    model.take_classes(flip_it.class_embeddings())
    torch.testing.assert_close(model.class_embeddings(), flip_it.class_embeddings())
    with pytest.raises(UsageError, match=r"\(2, 3\): this head takes \(2, 512\)"):
        model.take_classes(torch.zeros(2, 3))


def test_the_activation_is_kept_in_the_folder(images, tmp_path: Path):
    """It leaves no trace among the weights; a folder that lost it would answer wrongly, silently."""
    model = built(quick_gelu=True)
    assert not torch.allclose(model(images).logit, built()(images).logit, atol=1e-4)
    save_checkpoint(model, card_of(), tmp_path / "run", settings=SMALL)
    again, _ = load_checkpoint(tmp_path / "run")
    assert torch.equal(again(images).logit, model(images).logit)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_its_export_answers_alike_whatever_the_batch(pool, images, tmp_path: Path):
    model, card = built(pool=pool), card_of()
    made = export(model, card, tmp_path / "t.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (5, 48, 32, 3), dtype=np.uint8)
    assert parity(model, card, made, crops).scores <= 1e-4
    session = open_session(made.read_bytes())
    for batch in (images, images[:1]):
        score, evidence = session.run(["score", "evidence"], {"image": batch.numpy()})
        with torch.no_grad():
            expected = model(batch)
        np.testing.assert_allclose(score, expected.logit.sigmoid().numpy(), atol=1e-4)
        np.testing.assert_allclose(evidence, expected.evidence.numpy(), atol=1e-3)


def test_an_unknown_pooling_is_named():
    with pytest.raises(UnknownName, match="pooling named 'max'"):
        built(pool="max")
