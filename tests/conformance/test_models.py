"""Every family of models: logits and the map whose mean they are, or embeddings; the same after saving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from facetrust import registry
from facetrust.models import Classes, Embedding, Score, create_model, load_checkpoint, save_checkpoint
from facetrust.records import ModelCard, Preprocessing

NAMES = registry.names("models")
# Public name to build, and settings, where the family's own name does not suffice; after a dot, another kind.
EXAMPLES: dict[str, tuple[str, dict[str, object]]] = {
    "clip": ("clip-vit-t16", {"image_size": (48, 32), "layers": 2}),
    "clip.mean": ("clip-vit-s16", {"image_size": (32, 32), "layers": 1, "pool": "mean"}),
    "cross-efficient-vit": (
        "cross-efficient-vit",
        {"image_size": (64, 64), "widths": (16, 24), "depth": 1, "depths": (1, 1, 1), "hidden": 32},
    ),
    "edgeface": ("edgeface-xxs", {"rank": 0.5, "embedding": 16}),
    "efficient-vit": (
        "efficient-vit",
        {"image_size": (64, 96), "width": 32, "depth": 1, "heads": 2, "hidden": 32},
    ),
    "face-resnet": ("face-resnet", {"image_size": (32, 48), "embedding": 16}),
    "face-transformer": (
        "face-transformer-p12s8",
        {"image_size": (32, 24), "width": 64, "depth": 2, "heads": 2, "hidden": 32},
    ),
    "flip": ("flip-it", {"clip": "vit-t16", "image_size": (32, 32), "layers": 1}),
    "flip.v": ("flip-v", {"clip": "vit-t16", "image_size": (32, 32), "layers": 1}),
    "fpn": ("fpn-mobilenetv3_small_050", {"image_size": (64, 96), "classes": 5, "width": 16}),
    "fpn.block": (
        "fpn-tf_efficientnet_lite0",
        {"image_size": (64, 64), "classes": 3, "block": 3, "width": 8, "depth": 2, "separable": False},
    ),
    "iresnet": ("iresnet-18", {"image_size": (32, 32), "embedding": 16}),
    "mesonet": ("mesonet-inception4", {"image_size": (64, 32)}),
    "mobilefacenet": ("mobilefacenet-s", {"image_size": (48, 32), "embedding": 16}),
    "residual": ("residual-mobilenetv3_small_050", {"image_size": (64, 64)}),
    "sface": ("sface", {"image_size": (32, 32), "widths": [8] * 14, "squeeze": 4, "embedding": 16}),
    "timm": ("timm/mobilenetv3_small_050", {"image_size": (64, 64)}),
    "timm.embedding": ("timm/test_vit", {"image_size": (64, 64), "embedding": 32}),
}
SIZES = {"minifasnet": (80, 80)}
UNTRAINABLE = {"onnx"}  # A file that is run, not a network that is built; tested with the exports.
CASES = sorted({*NAMES, *EXAMPLES} - UNTRAINABLE)


def test_all_were_seen():
    assert {
        "clip",
        "cross-efficient-vit",
        "efficient-vit",
        "flip",
        "fpn",
        "minifasnet",
        "onnx",
        "timm",
    } <= set(NAMES)
    assert len(NAMES) >= 7
    assert len(CASES) >= 9
    assert {name.split(".")[0] for name in EXAMPLES} <= set(NAMES)


def built(name: str) -> tuple[nn.Module, str, dict[str, object], torch.Tensor]:
    public, settings = EXAMPLES.get(name, (name, {}))
    torch.manual_seed(0)
    size: tuple[int, int] = settings.get("image_size", SIZES.get(name, (128, 128)))  # type: ignore[assignment]
    images = torch.randn(3, 3, *size)
    return create_model(public, **settings), public, settings, images


def answer_of(output: Score | Embedding | Classes) -> torch.Tensor:
    """Returns what a network says: logits (B,), embeddings (B, d), or logits (B, C, h, w) for classes."""
    if isinstance(output, Classes):
        return output.logits
    return output.logit if isinstance(output, Score) else output.embedding


@pytest.mark.parametrize("name", CASES)
class TestEveryModel:
    def test_says_what_it_returns(self, name):
        assert (registry.find("models", name.split(".")[0]).__doc__ or "").startswith("Returns")

    def test_gives_logits_and_the_map_whose_mean_they_are_or_embeddings_or_classes(self, name):
        model, _, _, images = built(name)
        output = model.eval()(images)
        if isinstance(output, Classes):
            assert output.logits.shape == (3, EXAMPLES[name][1]["classes"], *images.shape[2:])
            return
        if isinstance(output, Embedding):
            assert output.embedding.shape == (3, model.dimensions)
            assert torch.isfinite(output.embedding).all()
            torch.testing.assert_close(model.answer(images)[1], output.embedding)
            return
        assert isinstance(output, Score)
        assert output.logit.shape == (3,)
        assert output.evidence.shape[0] == 3
        assert output.evidence.ndim == 3
        torch.testing.assert_close(output.evidence.mean(dim=(1, 2)), output.logit, atol=1e-4, rtol=1e-4)

    def test_every_parameter_that_is_trained_gets_a_gradient(self, name):
        model, _, _, images = built(name)
        answer_of(model.train()(images)).square().sum().backward()
        silent = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert silent == []
        assert any(p.grad.abs().sum() > 0 for p in model.parameters() if p.grad is not None)

    def test_is_the_same_under_a_seed(self, name):
        public, settings = EXAMPLES.get(name, (name, {}))
        torch.manual_seed(7)
        first = create_model(public, **settings).state_dict()
        torch.manual_seed(7)
        second = create_model(public, **settings).state_dict()
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_judges_pictures_independently(self, name):
        model, _, _, images = built(name)
        model.eval()
        alone = torch.stack([answer_of(model(image[None]))[0] for image in images])
        torch.testing.assert_close(alone, answer_of(model(images)), atol=1e-4, rtol=1e-4)

    def test_comes_back_from_its_folder(self, name, tmp_path: Path):
        model, public, settings, images = built(name)
        card = ModelCard(
            name="any",
            task="antispoof",
            architecture=public,
            preprocessing=Preprocessing(),
            score_means="any",
        )
        written = save_checkpoint(model, card, tmp_path / "run", settings=settings)
        again, read = load_checkpoint(tmp_path / "run")
        assert read == written
        assert read.parameters == sum(p.numel() for p in model.parameters())
        with torch.no_grad():
            assert torch.equal(answer_of(again(images)), answer_of(model.eval()(images)))
