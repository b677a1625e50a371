from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from facetrust.errors import ModelError
from facetrust.export.onnx import trace
from facetrust.models import Score, create_model
from facetrust.profile import _onnx_macs, _torch_macs


def graph(nodes, image, **arrays):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", *image])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def floats(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("kernel", "settings", "image", "wanted"),
    [
        ((8, 3, 3, 3), {"pads": [1] * 4}, (3, 10, 12), 8 * 10 * 12 * 3 * 9),
        ((8, 3, 3, 3), {"pads": [1] * 4, "strides": [2, 2]}, (3, 10, 12), 8 * 5 * 6 * 3 * 9),
        ((6, 1, 5, 5), {"group": 6}, (6, 10, 12), 6 * 6 * 8 * 25),
        ((8, 3, 2, 4), {"group": 2, "dilations": [2, 1]}, (6, 10, 12), 8 * 8 * 9 * 3 * 8),
        ((1, 16, 1, 1), {}, (16, 4, 4), 16 * 16),
    ],
)
def test_a_convolution_costs_its_outputs_times_its_kernel(kernel, settings, image, wanted):
    model = graph([helper.make_node("Conv", ["image", "w"], ["out"], **settings)], image, w=floats(*kernel))
    assert _onnx_macs.count_macs(model, (1, *image)) == wanted
    assert _onnx_macs.count_parameters(model) == math.prod(kernel)


def test_a_transposed_convolution_costs_its_inputs_times_its_kernel():
    node = helper.make_node("ConvTranspose", ["image", "w"], ["out"], strides=[2, 2])
    model = graph([node], (4, 5, 6), w=floats(4, 7, 3, 3))
    assert _onnx_macs.count_macs(model, (1, 4, 5, 6)) == 4 * 5 * 6 * 7 * 9


@pytest.mark.parametrize("turned", [0, 1])
def test_gemm_costs_rows_times_inner_times_columns(turned):
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["tall"]),
        helper.make_node("Gemm", ["tall" if turned else "flat", "w", "b"], ["out"], transA=turned),
    ]
    model = graph(nodes, (3, 4, 5), w=floats(60, 7), b=floats(7))
    assert _onnx_macs.count_macs(model, (1, 3, 4, 5)) == 60 * 7
    assert _onnx_macs.count_parameters(model) == 60 * 7 + 7


def test_matmul_counts_each_matrix_of_a_stack():
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["image", "turned"], ["out"]),
    ]
    assert _onnx_macs.count_macs(graph(nodes, (5, 7, 9)), (1, 5, 7, 9)) == 5 * 7 * 7 * 9


def test_scales_shapes_and_single_constants_are_no_parameters():
    nodes = [
        helper.make_node("DequantizeLinear", ["w8", "s", "z"], ["w"], axis=0),
        helper.make_node("Conv", ["image", "w"], ["c"]),
        helper.make_node("Mul", ["c", "two"], ["m"]),
        helper.make_node("Reshape", ["m", "shape"], ["out"]),
    ]
    model = graph(
        nodes,
        (3, 4, 4),
        w8=np.ones((8, 3, 1, 1), np.int8),
        s=floats(8),
        z=np.zeros(8, np.int8),
        two=np.float32(2),
        shape=np.array([0, -1]),
    )
    assert _onnx_macs.count_parameters(model) == 24
    assert _onnx_macs.count_macs(model, (1, 3, 4, 4)) == 8 * 16 * 3


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            helper.make_node("Einsum", ["image"], ["out"], equation="bchw->bc"),
            "inside Einsum cannot be counted",
        ),
        (helper.make_node("FusedConv", ["image"], ["out"], domain="com.microsoft"), "no standard operator"),
    ],
)
def test_what_cannot_be_counted_is_not_counted_as_nothing(node, message):
    model = graph([node], (3, 4, 4))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(ModelError, match=message):
        _onnx_macs.count_macs(model, (1, 3, 4, 4))


def test_a_shape_that_cannot_be_inferred_is_met_by_running():
    nodes = [
        helper.make_node("NonZero", ["image"], ["found"]),  # None in an image of zeros,
        helper.make_node("Shape", ["found"], ["size"]),
        helper.make_node("Gather", ["size", "last"], ["none"]),
        helper.make_node("Sub", ["shape", "none"], ["target"]),  # so that this is (1, 6, 8).
        helper.make_node("Reshape", ["image", "target"], ["rows"]),
        helper.make_node("MatMul", ["rows", "w"], ["out"]),
    ]
    model = graph(nodes, (3, 4, 4), w=floats(8, 5), last=np.array([1]), shape=np.array([1, 6, 8]))
    assert _onnx_macs.count_macs(model, (1, 3, 4, 4)) == 6 * 8 * 5


def test_a_graph_that_contradicts_itself_is_one_line():
    model = graph([helper.make_node("MatMul", ["image", "w"], ["out"])], (3, 4, 4), w=floats(5, 4))
    with pytest.raises(ModelError, match="cannot be inferred") as raised:
        _onnx_macs.count_macs(model, (1, 3, 4, 4))
    assert "\n" not in str(raised.value)


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, images):
        tokens = self.layer(self.patches(images).flatten(2).transpose(1, 2))
        evidence = self.head(tokens)[..., 0].unflatten(1, (4, 5))
        return Score(evidence.mean((1, 2)), evidence)


@pytest.mark.parametrize("name", ["timm/starnet_s050", "minifasnet", "attends"])
def test_both_counters_agree_to_the_last_product(name):
    size = (32, 40) if name == "attends" else (80, 80)
    model = (Attends() if name == "attends" else create_model(name, image_size=size)).eval()
    image = (1, 3, *size)
    assert _onnx_macs.count_macs(trace(model, size), image) == _torch_macs.count_macs(model, image)


def test_an_attention_layer_costs_the_closed_form():
    n, d, mlp = 4 * 5, 32, 64
    wanted = n * 3 * 64 * d + n * (4 * d * d + 2 * d * mlp) + 2 * n * n * d + n * d
    assert _torch_macs.count_macs(Attends().eval(), (1, 3, 32, 40)) == wanted
    assert torch.backends.mha.get_fastpath_enabled()
