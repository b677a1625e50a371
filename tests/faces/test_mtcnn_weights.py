"""The detector's weights are pickles of somebody else: nothing but float arrays may come out of them."""

import io
import os
import pickle
import sys

import joblib
import lz4.frame
import numpy as np
import pytest

from facetrust.errors import ModelError
from facetrust.faces import _mtcnn_weights as _weights
from facetrust.faces._mtcnn_weights import SHA256, read_weights, unpack, weight_file

SHAPES = {"pnet": (13, (3, 3, 3, 10)), "rnet": (16, (3, 3, 3, 28)), "onet": (21, (3, 3, 3, 32))}


def packed(value) -> bytes:
    stream = io.BytesIO()
    joblib.dump(value, stream)
    return lz4.frame.compress(stream.getvalue())


@pytest.mark.parametrize("net", SHA256)
def test_the_arrays_are_those_that_joblib_reads(net):
    arrays = read_weights(net)
    count, first = SHAPES[net]
    assert (len(arrays), arrays[0].shape) == (count, first)
    for ours, theirs in zip(arrays, joblib.load(weight_file(net)), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_of_the_package_is_imported():
    read_weights("pnet")
    assert "mtcnn" not in sys.modules


def test_both_memory_orders():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    row_wise, column_wise = unpack(packed([values, np.asfortranarray(values)]), "x")
    np.testing.assert_array_equal(row_wise, values)
    np.testing.assert_array_equal(column_wise, values)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/facetrust-evil",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Evil(), "system, which is not an array"),
        ([np.zeros(2, np.float32), Evil()], "system, which is not an array"),
        ([np.zeros(2, np.float64)], "not float32"),
        ([np.array([None, 1], dtype=object)], "not float32"),
        ([1, 2], "does not hold a list of arrays"),
        (np.zeros(2, np.float32), "does not hold a list of arrays"),
        ([pickle.loads], "which is not an array"),
    ],
)
def test_anything_else_is_refused(value, message):
    with pytest.raises(ModelError, match=message):
        unpack(packed(value), "x.lz4")


@pytest.mark.parametrize("cut", [0, 40, 4000])
def test_a_damaged_file_is_one_line(cut):
    data = weight_file("pnet").read_bytes()[:cut]
    with pytest.raises(ModelError, match="is damaged") as caught:
        unpack(data, "pnet.lz4")
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_not_even_opened(tmp_path, monkeypatch):
    changed = tmp_path / "pnet.lz4"
    changed.write_bytes(packed(Evil()))
    monkeypatch.setattr(_weights, "weight_file", lambda net: changed)
    monkeypatch.setattr(_weights, "unpack", lambda *_: pytest.fail("was opened"))
    with pytest.raises(ModelError, match=r"SHA-256 is .* is known; install it again"):
        read_weights("pnet")


def test_a_missing_file_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_weights, "weight_file", lambda net: tmp_path / "none.lz4")
    with pytest.raises(ModelError, match="missing; install it again: pip install"):
        read_weights("pnet")


def test_without_the_package_the_error_says_so(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def gone(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_weights, "distribution", gone)
    with pytest.raises(ModelError, match="pip install mtcnn"):
        weight_file("pnet")
