from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from facetrust.errors import ExportError, ModelError
from facetrust.export.onnx import trace
from facetrust.export.parity import FLOAT_TOLERANCE, parity
from facetrust.imaging import read_image
from facetrust.model_file import read, save
from facetrust.records import Preprocessing


@pytest.fixture(scope="module")
def traced():
    """Graphs by network seed, traced once."""
    return {}


@pytest.fixture
def exported(traced, small, card, tmp_path):
    """Returns a maker of files: of the network with a seed, with a card that may be another."""

    def make(*, seed: int = 0, change=None, **fields):
        if seed not in traced:
            traced[seed] = trace(small(seed), card.preprocessing.size)
        graph = copy.deepcopy(traced[seed])
        if change:
            change(graph)
        how = card.preprocessing.model_copy(update=fields)
        save(graph, card.model_copy(update={"preprocessing": how}), tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return make


def test_a_right_export_passes_with_its_figures(model, card, crops, exported):
    found = parity(model, card, exported(), crops)
    assert found.faces == len(crops)
    assert found.tolerance == FLOAT_TOLERANCE == 1e-4
    assert 0 < found.mean_scores <= found.scores < 1e-5
    assert found.evidence < 1e-5
    assert found.own < 1e-6
    assert found.inputs < 1e-6


def test_the_faces_have_scores_that_could_differ(model, card, crops, exported):
    """Without a spread of scores the tests below would prove nothing."""
    how = card.preprocessing
    pixels = (crops / 255.0 - np.array(how.mean)) / np.array(how.std)
    with torch.no_grad():
        scores = torch.sigmoid(model(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).logit).numpy()
    assert scores.std() > 0.02
    assert 0.01 < scores.mean() < 0.99


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
        {"mean": (0.485, 0.456, 0.4065)},
        {"color": "BGR"},
        {"top": 255.0},
        {"grey_world": True},
    ],
    ids=lambda wrong: "-".join(f"{key}" for key in wrong),
)
def test_a_card_that_prepares_otherwise_fails(model, card, crops, exported, wrong):
    with pytest.raises(ExportError, match="prepares pixels differently"):
        parity(model, card, exported(**wrong), crops)


@pytest.mark.parametrize("wrong", [{"size": (24, 32)}, {"margins": (1.5, 2.0)}])
def test_a_card_that_crops_otherwise_fails(model, card, crops, exported, wrong):
    with pytest.raises(ExportError, match="its card wants"):
        parity(model, card, exported(**wrong), crops)


def test_other_weights_fail(model, card, crops, exported):
    with pytest.raises(ExportError, match=r"scores differ .* allowed are 0.0001"):
        parity(model, card, exported(seed=1), crops)


def test_one_slightly_changed_weight_fails(model, card, crops, exported):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.head.bias += 0.002
    with pytest.raises(ExportError, match="scores differ"):
        parity(other, card, exported(), crops)


def test_swapped_channels_in_the_graph_fail(model, card, crops, exported):
    def swap(graph):
        first = next(node for node in graph.graph.node if node.op_type == "Conv").input[1]
        kernel = next(entry for entry in graph.graph.initializer if entry.name == first)
        values = np.frombuffer(kernel.raw_data, np.float32).reshape(tuple(kernel.dims))
        kernel.raw_data = values[:, ::-1].tobytes()

    with pytest.raises(ExportError, match="scores differ"):
        parity(model, card, exported(change=swap), crops)


def test_moved_evidence_fails_though_the_score_is_right(model, card, crops, exported):
    class Mirrored(torch.nn.Module):
        def forward(self, images):
            found = model(images)
            return found._replace(evidence=found.evidence.flip(2))

    with pytest.raises(ExportError, match="a cell of the evidence"):
        parity(Mirrored(), card, exported(), crops)


def test_scores_that_are_no_numbers_fail(model, card, crops, exported):
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.head.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match="scores differ"):
        parity(broken, card, exported(), crops)


def test_a_file_with_a_larger_tolerance_passes(model, card, crops, exported):
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.head.bias += 0.002
    found = parity(other, card, exported(), crops, tolerance=0.01)
    assert 1e-4 < found.scores < 0.01


def test_a_network_in_training_is_compared_in_evaluation_and_left_in_training(small, card, crops, exported):
    model = small().train()
    model.body[1].eval()
    assert parity(model, card, exported(), crops).scores < 1e-5
    assert [model.training, model.body[1].training, model.body[4].training] == [True, False, True]


@pytest.mark.parametrize("same", [{"color": "BGR"}, {"grey_world": True}, {"standardize": True}])
def test_networks_are_fed_as_their_card_says(model, card, crops, exported, same):
    card = card.model_copy(update={"preprocessing": card.preprocessing.model_copy(update=same)})
    assert parity(model, card, exported(**same), crops).inputs < 1e-5


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 32, 24, 3), np.uint8), "no crops are given"),
        (np.zeros((4, 24, 32, 3), np.uint8), r"wanted is \(N, 1, 32, 24, 3\) uint8"),
        (np.zeros((4, 32, 24, 3), np.float32), "float32, wanted"),
        ([np.zeros((32, 24, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)], "crops have 2 shapes"),
    ],
)
def test_crops_that_do_not_fit_are_refused(model, card, exported, bad, message):
    with pytest.raises(ExportError, match=message):
        parity(model, card, exported(), bad)


def test_a_missing_file_is_named(model, card, crops, tmp_path):
    with pytest.raises(ModelError, match=r"absent.onnx: no such file"):
        parity(model, card, tmp_path / "absent.onnx", crops)


@pytest.mark.real
def test_real_faces_pass(real_data, model, card, exported):
    paths = sorted((real_data / "nuaa").rglob("*.jpg"))[::200][:16]
    how = Preprocessing(size=card.preprocessing.size)
    pictures = [read_image(path) for path in paths]
    crops = [np.ascontiguousarray(picture[: how.size[0], : how.size[1]]) for picture in pictures]
    assert parity(model, card, exported(), crops).scores < FLOAT_TOLERANCE
    assert read(exported())[1].preprocessing == card.preprocessing
