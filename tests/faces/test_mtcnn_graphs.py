"""The ONNX graphs answer as the nets written out by hand in NumPy."""

import numpy as np
import pytest

from facetrust.faces import _mtcnn_graphs as _graphs
from facetrust.faces._mtcnn_graphs import open_net
from facetrust.faces._mtcnn_weights import read_weights

POOLS = {"pnet": [2, 0, 0], "rnet": [3, -3, 0], "onet": [3, -3, 2, 0]}  # Negative: no padding.


def conv(x, kernel, bias):
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(0, 1))
    return np.einsum("hwcij,ijco->hwo", windows, kernel) + bias


def pool(x, size):
    size, padded = abs(size), size > 0
    rows = [-(-side // 2) if padded else (side - size) // 2 + 1 for side in x.shape[:2]]
    out = np.empty((*rows, x.shape[2]), x.dtype)
    for row in range(rows[0]):
        for column in range(rows[1]):
            # SAME puts the odd pixel after, so that for these sizes windows start at twice the index.
            out[row, column] = x[2 * row : 2 * row + size, 2 * column : 2 * column + size].max(axis=(0, 1))
    return out


def prelu(x, slope):
    return np.where(x > 0, x, x * slope.reshape(-1))


def by_hand(net, x):
    """The heads' raw answers, the last one as probabilities."""
    arrays = iter(a.astype(np.float64) for a in read_weights(net))
    for size in POOLS[net]:
        x = prelu(conv(x, next(arrays), next(arrays)), next(arrays))
        x = pool(x, size) if size else x
    if net == "pnet":
        heads = [conv(x, next(arrays), next(arrays)).transpose(2, 0, 1) for _ in range(2)]
    else:
        x = x.transpose(1, 0, 2).reshape(-1)
        x = prelu(x @ next(arrays) + next(arrays), next(arrays))
        heads = [x @ next(arrays) + next(arrays) for _ in range(2 if net == "rnet" else 3)]
    top = np.exp(heads[-1] - heads[-1].max(axis=0))
    return [*heads[:-1], top / top.sum(axis=0)]


@pytest.mark.parametrize(
    ("net", "size"), [("pnet", (12, 12)), ("pnet", (20, 32)), ("rnet", (24, 24)), ("onet", (48, 48))]
)
def test_a_net_answers_as_by_hand(net, size):
    image = np.random.default_rng(0).normal(size=(*size, 3)) * 0.5
    session = open_net(net)
    found = session.run(None, {"image": image.transpose(2, 0, 1)[None].astype(np.float32)})
    expected = by_hand(net, image)
    assert [entry.name for entry in session.get_outputs()][-1] == "face"
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=2e-5)


def test_graphs_are_built_once_and_a_damaged_cache_is_built_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FACETRUST_CACHE", str(tmp_path))
    open_net("pnet")
    (kept,) = tmp_path.rglob("*.onnx")
    built = kept.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(_graphs, "build_net", lambda *_: pytest.fail("was built twice"))
        open_net("pnet")
    kept.write_bytes(b"no onnx")
    open_net("pnet")
    assert kept.read_bytes() == built
    assert [path.name for path in kept.parent.iterdir()] == ["pnet.onnx"]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("FACETRUST_CACHE", str(blocked))
    assert open_net("pnet").get_inputs()[0].name == "image"
