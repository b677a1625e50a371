from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from facetrust.errors import ExportError, MetricError, ModelError
from facetrust.export import int8
from facetrust.export.int8 import Variant, choose, quantize_dynamic, quantize_static
from facetrust.export.onnx import export
from facetrust.export.parity import INT8_TOLERANCE, parity
from facetrust.model_file import open_session, read
from facetrust.models import Score
from facetrust.records import Result, Threshold


class Wide(nn.Module):
    """Nearly all its time is one large product, where int8 pays."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Flatten(1), nn.Linear(32 * 24 * 3, 2048), nn.ReLU(), nn.Linear(2048, 512), nn.ReLU()
        )
        self.head = nn.Linear(512, 1)

    def forward(self, images: torch.Tensor) -> Score:
        logit = self.head(self.body(images))[:, 0]
        return Score(logit, logit[:, None, None])


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("int8")


@pytest.fixture
def source(shared, model, card, crops):
    path = shared / "net.onnx"
    if not path.is_file():
        threshold = Threshold(value=0.4, rule="eer", manifest="m", split="dev")
        result = Result(metric="auc", value=0.9, data="d", split="test", command="c")
        export(
            model,
            card.model_copy(update={"thresholds": (threshold,), "results": (result,)}),
            path,
            crops=crops,
        )
    return path


def kinds(path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def stored(path) -> set[str]:
    return {onnx.TensorProto.DataType.Name(entry.data_type) for entry in onnx.load(path).graph.initializer}


def test_the_static_form_is_qdq_with_a_float_head(source, crops, tmp_path):
    path = quantize_static(source, tmp_path / "s.onnx", crops)
    assert kinds(path).count("DequantizeLinear") >= 4
    assert kinds(path)[-3:] == ["Gather", "ReduceMean", "Sigmoid"]
    head = [node for node in onnx.load(path).graph.node if node.op_type == "Conv"][-1]
    weights = {entry.name: entry.data_type for entry in onnx.load(path).graph.initializer}
    assert weights[head.input[1]] == onnx.TensorProto.FLOAT
    assert "INT8" in stored(path)


def test_the_dynamic_form_scales_at_run_time(source, tmp_path):
    path = quantize_dynamic(source, tmp_path / "d.onnx")
    assert {"ConvInteger", "DynamicQuantizeLinear"} <= set(kinds(path))
    assert "INT8" in stored(path)


@pytest.mark.parametrize("form", ["static", "dynamic"])
def test_int8_keeps_its_stated_tolerance_and_any_batch(form, source, model, card, crops, faces, tmp_path):
    path = tmp_path / "q.onnx"
    if form == "static":
        quantize_static(source, path, faces(32, seed=1))
    else:
        quantize_dynamic(source, path)
    found = parity(model, card, path, crops, tolerance=INT8_TOLERANCE)
    assert 1e-5 < found.scores < INT8_TOLERANCE
    with pytest.raises(ExportError, match="scores differ"):
        parity(model, card, path, crops)
    assert open_session(path).run(["score"], {"image": np.zeros((5, 3, 32, 24), np.float32)})[0].shape == (5,)


def test_the_card_travels_without_what_was_measured_on_the_float_form(source, tmp_path):
    _, card = read(quantize_dynamic(source, tmp_path / "d.onnx"))
    _, origin = read(source)
    assert card.name == "small-int8"
    assert (card.thresholds, card.results) == ((), ())
    assert origin.thresholds
    assert origin.results
    assert card.preprocessing == origin.preprocessing


def test_choose_states_all_figures(source, crops, faces, tmp_path):
    labels = np.arange(24) % 2
    found = choose(source, crops, labels, calibration=faces(32, seed=1), folder=tmp_path, rounds=5)
    assert [variant.name for variant in found.variants] == ["float", "dynamic", "static"]
    assert (found.faces, found.rounds, found.threads) == (24, 5, 1)
    origin, *others = found.variants
    assert (origin.ratio, origin.max_difference, origin.path) == (1.0, 0.0, str(source))
    for variant in others:
        assert variant.bytes == (tmp_path / f"net.{variant.name}.onnx").stat().st_size
        assert variant.latency > 0
        assert 0 < variant.mean_difference <= variant.max_difference < INT8_TOLERANCE
    assert found.path == next(variant.path for variant in found.variants if variant.name == found.kept)
    assert f"{origin.auc:.4f}" in found.reason


def test_choose_keeps_int8_where_it_pays(card, crops, faces, tmp_path):
    path = export(Wide().eval(), card, tmp_path / "wide.onnx", crops=crops)
    random = np.random.default_rng(0).permutation(24) % 2
    found = choose(path, crops, random, calibration=faces(32, seed=1), auc_loss=1.0, rounds=30)
    assert found.kept in ("dynamic", "static")
    assert min(variant.ratio for variant in found.variants) <= 0.95
    assert found.variants[1].bytes < found.variants[0].bytes / 3


def variant(name: str, ratio: float, auc: float) -> Variant:
    zeros = {"bytes": 1, "latency": 1.0, "max_difference": 0.0, "mean_difference": 0.0}
    return Variant(name=name, path=name, ratio=ratio, auc=auc, **zeros)


@pytest.mark.parametrize(
    ("dynamic", "static", "kept"),
    [
        ((15.0, 0.99), (1.6, 0.99), "float"),
        ((0.6, 0.99), (0.7, 0.99), "dynamic"),
        ((0.6, 0.95), (0.7, 0.989), "static"),
        ((0.96, 0.99), (0.97, 0.99), "float"),
        ((0.3, 0.90), (0.2, 0.90), "float"),
    ],
)
def test_the_fastest_at_equal_auc_is_kept(dynamic, static, kept):
    variants = (variant("float", 1.0, 0.99), variant("dynamic", *dynamic), variant("static", *static))
    found, reason = int8._decide(variants, 0.002, 0.95)
    assert found.name == kept
    assert "0.99" in reason


def test_the_auc_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 60)
    scores = random.integers(0, 12, 60) / 10  # With ties.
    attacks, lives = scores[labels == 1][:, None], scores[labels == 0][None, :]
    pairs = (attacks > lives).mean() + 0.5 * (attacks == lives).mean()
    assert int8._auc(labels, scores) == pytest.approx(pairs, abs=1e-12)
    assert int8._auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])) == 1.0


@pytest.mark.parametrize(("labels", "message"), [([0, 1], "labels for 24"), ([1] * 24, "both classes")])
def test_labels_that_give_no_auc_are_refused(source, crops, labels, message, tmp_path):
    with pytest.raises(MetricError, match=message):
        choose(source, crops, labels, calibration=crops, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_calibration_faces_of_another_size_are_refused(source, tmp_path):
    with pytest.raises(ExportError, match=r"wanted is \(N, 1, 32, 24, 3\) uint8"):
        quantize_static(source, tmp_path / "s.onnx", np.zeros((4, 8, 8, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        quantize_dynamic(tmp_path / "absent.onnx", tmp_path / "d.onnx")


def test_a_form_that_moves_scores_is_not_kept_however_well_it_ranks():
    moving = variant("dynamic", 0.5, 0.9).model_copy(update={"max_difference": INT8_TOLERANCE + 0.01})
    found, reason = int8._decide((variant("float", 1.0, 0.9), moving), 0.002, 0.95)
    assert found.name == "float"
    assert "scores moved by up to 0.060" in reason
