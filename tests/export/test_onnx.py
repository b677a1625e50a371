from __future__ import annotations

import copy
import sys
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from facetrust.errors import ExportError, MissingExtra
from facetrust.export.onnx import OPSET, export, trace
from facetrust.model_file import KEY, open_session, read
from facetrust.models import Score, create_model
from facetrust.models.onnx import onnx as load_onnx
from facetrust.models.timm import library as timm


class Tokens(nn.Module):
    """A small ViT, the head applied to each patch token."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = timm.create_model(
            "vit_tiny_patch16_224", img_size=(32, 48), patch_size=8, depth=2, num_classes=0
        )
        self.head = nn.Linear(192, 1)

    def forward(self, images: torch.Tensor) -> Score:
        evidence = self.head(self.backbone.forward_features(images)[:, 1:])[..., 0].unflatten(1, (4, 6))
        return Score(evidence.mean((1, 2)), evidence)


class Changed(nn.Module):
    """A network with another last step."""

    def __init__(self, model: nn.Module, change: Callable) -> None:
        super().__init__()
        self.model, self.change = model, change

    def forward(self, images: torch.Tensor):
        return self.change(images, self.model(images))


def answers(path, inputs):
    return open_session(path).run(["score", "evidence"], {"image": inputs})


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_score_and_evidence_are_the_networks_for_every_batch(model, card, tmp_path, batch):
    path = export(model, card, tmp_path / "net.onnx")
    inputs = np.random.default_rng(batch).standard_normal((batch, 3, 32, 24)).astype(np.float32)
    score, evidence = answers(path, inputs)
    with torch.no_grad():
        wanted = model(torch.from_numpy(inputs))
    assert score.shape == (batch,)
    assert evidence.shape == (batch, 8, 6)
    np.testing.assert_allclose(evidence, wanted.evidence.numpy(), atol=1e-5)
    np.testing.assert_allclose(score, torch.sigmoid(wanted.logit).numpy(), atol=1e-6)
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-evidence.mean((1, 2)))), atol=1e-6)


def test_names_and_shapes_are_those_of_the_convention(model, card, tmp_path):
    graph, inside = read(export(model, card, tmp_path / "net.onnx"))
    shapes = {
        entry.name: [dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        for entry in (*graph.graph.input, *graph.graph.output)
    }
    assert shapes == {
        "image": ["batch", 3, 32, 24],
        "score": ["batch"],
        "evidence": ["batch", 8, 6],
    }
    assert inside == card
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", OPSET)]


def test_norms_are_folded_and_notes_are_gone(model, card, tmp_path):
    path = export(model, card, tmp_path / "net.onnx")
    graph = onnx.load(path)
    kinds = [node.op_type for node in graph.graph.node]
    # Three convolutions, two activations, the channel's removal, the mean, the sigmoid.
    assert sorted(kinds) == ["Conv"] * 3 + ["Gather", "HardSwish", "ReduceMean", "Relu", "Sigmoid"]
    assert [entry.key for entry in graph.metadata_props] == [KEY]
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)
    stored = sum(np.prod(entry.dims) * 4 for entry in graph.graph.initializer)
    assert path.stat().st_size < stored + len(card.to_json()) + 2500


def test_the_same_network_gives_the_same_bytes(model, card, tmp_path):
    first, second = (export(model, card, tmp_path / name) for name in ("a.onnx", "b.onnx"))
    assert first.read_bytes() == second.read_bytes()


def test_the_network_is_left_as_it_was(small, card, tmp_path):
    model = small().train()
    model.body[1].eval()
    before = copy.deepcopy(model.state_dict())
    export(model, card, tmp_path / "net.onnx")
    assert model.training
    assert not model.body[1].training
    assert model.body[4].training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_several_margins_take_the_mean_logit(model, card, faces, tmp_path):
    how = card.preprocessing.model_copy(update={"margins": (1.5, 2.7)})
    card = card.model_copy(update={"preprocessing": how})
    path = export(model, card, tmp_path / "net.onnx", crops=faces(10).reshape(5, 2, 32, 24, 3))
    assert read(path)[1].preprocessing.margins == (1.5, 2.7)


@pytest.mark.parametrize("name", ["timm/mobilenetv3_small_050", "timm/starnet_s050", "minifasnet"])
def test_the_light_networks_are_exported(name, card, faces, tmp_path):
    torch.manual_seed(0)
    size = (80, 80)
    model = create_model(name, image_size=size).eval()
    card = card.model_copy(update={"preprocessing": card.preprocessing.model_copy(update={"size": size})})
    path = export(model, card, tmp_path / "net.onnx", crops=faces(6, size=size))
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(path).graph.node}
    weights = sum(p.numel() for p in model.parameters()) * 4
    assert path.stat().st_size < 1.1 * weights


def test_a_vit_is_exported(card, faces, tmp_path):
    card = card.model_copy(update={"preprocessing": card.preprocessing.model_copy(update={"size": (32, 48)})})
    path = export(Tokens().eval(), card, tmp_path / "net.onnx", crops=faces(6, size=(32, 48)))
    assert answers(path, np.zeros((5, 3, 32, 48), np.float32))[1].shape == (5, 4, 6)


def test_an_exported_file_can_teach(model, card, tmp_path):
    teacher = load_onnx(export(model, card, tmp_path / "net.onnx"))
    images = torch.randn(3, 3, 32, 24)
    with torch.no_grad():
        torch.testing.assert_close(teacher(images).logit, model(images).logit, atol=1e-5, rtol=1e-5)
    assert teacher.card.name == "small"


def test_a_fixed_batch_is_refused(model, card, tmp_path):
    def fixed(images, found):
        return Score(found.logit, found.evidence.reshape(len(images), 8, 6))

    with pytest.raises(ExportError, match=r"fixes the batch size.*tensor\.shape\[0\]"):
        export(Changed(model, fixed), card, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_without_evidence_is_refused(model, card, tmp_path):
    with pytest.raises(ExportError, match="gives no logit and evidence"):
        export(Changed(model, lambda images, found: found.logit), card, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_evidence_that_is_not_the_logits_is_refused_and_the_old_file_stays(model, card, tmp_path):
    path = export(model, card, tmp_path / "net.onnx")
    before = {entry: entry.read_bytes() for entry in tmp_path.iterdir()}
    with pytest.raises(ExportError, match="not the sigmoid of the mean evidence"):
        export(Changed(model, lambda _, found: Score(found.logit, 2 * found.evidence)), card, path)
    assert {entry: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_code_that_cannot_be_traced_is_one_line(model):
    def odd(images, found):
        return found if float(images.sum()) > 0 else Score(-found.logit, -found.evidence)

    with pytest.raises(ExportError, match="odd net: torch cannot trace it") as raised:
        trace(Changed(model, odd), (32, 24), name="odd net")
    assert "\n" not in str(raised.value)


def test_a_missing_exporter_names_its_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"onnxscript.*facetrust\[train\]"):
        trace(model, (32, 24))
