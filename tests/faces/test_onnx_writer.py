"""What is written by hand is what the `onnx` package writes, and passes its checker."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facetrust.faces import _onnx_writer as writer
from facetrust.faces._mtcnn_graphs import build_net
from facetrust.faces._mtcnn_weights import SHA256, read_weights
from facetrust.model_file import open_session

KERNEL = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
SLOPE = np.asarray([0.25, -0.5], np.float32).reshape(2, 1, 1)


def ours() -> bytes:
    nodes = [
        writer.node("Conv", ["image", "kernel"], "map", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        writer.node("PRelu", ["map", "slope"], "bent", {}),
        writer.node("Softmax", ["bent"], "face", {"axis": -3}),
    ]
    graph = writer.graph(
        "net",
        nodes,
        inputs=[writer.value("image", ["n", 3, 300, "w"])],
        outputs=[writer.value("face", ["n", 2, 150, "across"])],
        constants=[writer.constant("kernel", KERNEL), writer.constant("slope", SLOPE)],
    )
    return writer.model(graph, opset=17, version=8)


def theirs() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["map"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("PRelu", ["map", "slope"], ["bent"]),
        helper.make_node("Softmax", ["bent"], ["face"], axis=-3),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 300, "w"])],
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 2, 150, "across"])],
        [numpy_helper.from_array(KERNEL, "kernel"), numpy_helper.from_array(SLOPE, "slope")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_it_is_the_message_that_the_onnx_package_makes():
    assert onnx.load_from_string(ours()) == theirs()
    assert ours() == theirs().SerializeToString(deterministic=True)
    onnx.checker.check_model(ours(), full_check=True)


def test_it_runs_as_the_same_graph_made_with_the_onnx_package():
    image = np.random.default_rng(1).normal(size=(2, 3, 300, 7)).astype(np.float32)
    answers = [
        open_session(content).run(["face"], {"image": image})[0]
        for content in (ours(), theirs().SerializeToString())
    ]
    assert answers[0].shape == (2, 2, 150, 4)
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_whole_numbers_of_every_length(number):
    made = onnx.NodeProto.FromString(writer.node("X", [], "y", {"a": number, "b": [number, 1]}))
    assert [helper.get_attribute_value(each) for each in made.attribute] == [number, [number, 1]]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,  # Not row by row in memory.
        np.arange(3, dtype=">f4"),
        np.float32(2.5),
        np.zeros((0, 4), np.float32),
    ],
    ids=["transposed", "big-endian", "scalar", "empty"],
)
def test_constants_keep_shape_and_values(array):
    made = numpy_helper.to_array(onnx.TensorProto.FromString(writer.constant("w", array)))
    assert made.dtype == np.float32
    assert made.shape == array.shape
    np.testing.assert_array_equal(made, array)


@pytest.mark.parametrize("net", SHA256)
def test_the_detectors_nets_pass_the_checker(net):
    content = build_net(net, read_weights(net))
    onnx.checker.check_model(content, full_check=True)
    model = onnx.load_from_string(content)
    stored = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    assert sum(array.size for array in stored.values()) == sum(each.size for each in read_weights(net))
    assert model.SerializeToString(deterministic=True) == content
