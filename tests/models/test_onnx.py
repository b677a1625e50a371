from __future__ import annotations

import os
import shutil
from pathlib import Path

import onnx as library
import pytest
import torch
from onnx import TensorProto, helper

from facetrust import model_file
from facetrust.errors import ModelError, UnknownName
from facetrust.models.onnx import onnx
from facetrust.records import ModelCard, Preprocessing, sha256_of, write_text

CARD = ModelCard(
    name="mean",
    task="antispoof",
    architecture="mean",
    score_means="",
    preprocessing=Preprocessing(size=(4, 4)),
)


def make(path: Path, *, evidence: bool = True, card: bool = True, name: str = "image") -> Path:
    """Writes a network whose evidence is the mean over the channels, whose logit is the mean of that."""
    nodes = [
        helper.make_node("ReduceMean", [name], ["evidence"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["evidence"], ["logit"], axes=[1, 2], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["B"])]
    if evidence:
        outputs.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["B", 4, 4]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3, 4, 4])]
    graph = helper.make_graph(nodes, "mean", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if card:
        helper.set_model_props(model, {"facetrust.card": CARD.to_json()})
    library.save(model, path)
    return path


def test_answers_as_the_graph_says(tmp_path: Path) -> None:
    model = onnx(make(tmp_path / "m.onnx"))
    images = torch.randn(3, 3, 4, 4)
    found = model(images)
    assert torch.allclose(found.evidence, images.mean(1), atol=1e-6)
    assert torch.allclose(found.logit, images.mean((1, 2, 3)), atol=1e-6)
    assert model.card == CARD
    assert list(model.parameters()) == []
    assert not found.logit.requires_grad


def test_without_evidence_the_logit_comes_from_the_score(tmp_path: Path) -> None:
    images = torch.randn(2, 3, 4, 4)
    found = onnx(make(tmp_path / "m.onnx", evidence=False))(images)
    assert torch.allclose(found.logit, images.mean((1, 2, 3)), atol=1e-5)
    assert found.evidence.shape == (2, 1, 1)
    sure = onnx(tmp_path / "m.onnx")(torch.full((1, 3, 4, 4), 1e3))
    assert torch.isfinite(sure.logit).all()


def test_a_card_beside_wins_and_vouches_for_the_file(tmp_path: Path) -> None:
    path = make(tmp_path / "m.onnx", card=False)
    beside = CARD.model_copy(update={"name": "beside", "sha256": sha256_of(path)})
    write_text(tmp_path / "m.json", beside.to_json())
    assert onnx(path).card.name == "beside"
    make(path)
    with pytest.raises(ModelError, match="SHA-256"):
        onnx(path)


def test_a_bundled_model_is_found_by_its_name() -> None:
    model = onnx("antispoof-tiny")
    assert model.card.name == "antispoof-tiny"
    assert model(torch.zeros(1, 3, *model.card.preprocessing.size)).logit.shape == (1,)
    with pytest.raises(UnknownName, match="did you mean 'antispoof-tiny'"):
        onnx("antispoof-tinny")


def test_it_runs_on_as_many_threads_as_torch_or_as_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = model_file.open_session
    monkeypatch.setattr(
        model_file, "open_session", lambda path, threads: asked.append(threads) or real(path, threads=threads)
    )
    cores = os.cpu_count() or 1
    for threads in (1, cores, cores + 1):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        onnx(make(tmp_path / "m.onnx"))
    assert asked == [1, cores, cores]


def test_what_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        onnx(tmp_path / "no.onnx")
    with pytest.raises(ModelError, match=r"has no card, neither m\.json beside it nor one inside"):
        onnx(make(tmp_path / "m.onnx", card=False))
    with pytest.raises(ModelError, match=r"inputs \['pixels'\].*needed are 'image' and 'score'"):
        onnx(make(tmp_path / "p.onnx", name="pixels"))
    shutil.copy(__file__, tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="cannot be run by ONNX Runtime"):
        onnx(tmp_path / "text.onnx")
