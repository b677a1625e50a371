from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from facetrust.export._simplify import simplify


def norm_then_conv(*, bias: bool = True, pads=(0, 0, 0, 0), group: int = 1, also_out: bool = False):
    """Returns a graph image → BatchNormalization → Conv 3x3 → map, with random figures."""
    random = np.random.default_rng(0)
    arrays = {
        "gain": random.uniform(0.5, 2, 4),
        "shift": random.normal(0, 1, 4),
        "mean": random.normal(0, 1, 4),
        "var": random.uniform(0.1, 2, 4),
        "kernel": random.normal(0, 1, (4, 4 // group, 3, 3)),
        "offset": random.normal(0, 1, 4),
    }
    names = ["normed", "kernel"] + ["offset"] * bias
    nodes = [
        helper.make_node(
            "BatchNormalization", ["image", "gain", "shift", "mean", "var"], ["normed"], epsilon=1e-3
        ),
        helper.make_node("Conv", names, ["map"], pads=pads, group=group, name="conv"),
    ]
    ends = ["map", "normed"] if also_out else ["map"]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 4, 6, 5])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ends],
        [
            numpy_helper.from_array(v.astype(np.float32), k)
            for k, v in arrays.items()
            if k != "offset" or bias
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model):
    images = np.random.default_rng(1).standard_normal((3, 4, 6, 5)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["map"], {"image": images})[0]


@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_before_an_unpadded_convolution_is_folded(bias):
    model = norm_then_conv(bias=bias)
    before = run(model)
    after = simplify(model)
    assert [node.op_type for node in after.graph.node] == ["Conv"]
    assert len(after.graph.initializer) == 2
    np.testing.assert_allclose(run(after), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", [{"pads": (1, 1, 1, 1)}, {"group": 2}, {"also_out": True}])
def test_a_norm_that_cannot_be_folded_stays(settings):
    model = norm_then_conv(**settings)
    before = run(model)
    after = simplify(model)
    assert [node.op_type for node in after.graph.node] == ["BatchNormalization", "Conv"]
    np.testing.assert_array_equal(run(after), before)


def test_notes_are_removed():
    model = norm_then_conv()
    model.graph.node[0].doc_string = "where it came from"
    entry = model.graph.node[1].metadata_props.add()
    entry.key, entry.value = "stack", "file.py:1"
    model.doc_string = "by somebody"
    text = simplify(model).SerializeToString()
    assert not any(word in text for word in (b"where it came from", b"file.py", b"by somebody"))
