"""Pictures that a decoder in a file makes: sizes, levels, training with them, and files that are none."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from facetrust.data.simulate import manipulate, simulate
from facetrust.data.simulate.decoder import Decoder
from facetrust.errors import ModelError, UsageError

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
BOX = (4.0, 4.0, 20.0, 20.0)


def write_graph(path: Path, operator: str, *, by: float = 0.5) -> Path:
    """Writes a graph that multiplies a picture by a number, or shrinks it to one channel's mean."""
    from onnx import TensorProto, helper

    shown = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, None)
    number = helper.make_tensor("by", TensorProto.FLOAT, [], [by])
    nodes = {
        "scale": [helper.make_node("Mul", ["image", "by"], ["made"])],
        "shrink": [helper.make_node("GlobalAveragePool", ["image"], ["made"])],
    }[operator]
    graph = helper.make_graph(nodes, "decoder", [shown], [made], [number] if operator == "scale" else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)


def test_a_picture_of_any_size_comes_back_as_the_graph_makes_it(tmp_path, image):
    decoder = Decoder(write_graph(tmp_path / "half.onnx", "scale"))
    assert np.array_equal(decoder(image), np.rint(image * 0.5).astype(np.uint8))
    assert np.array_equal(decoder(image[:28, :40]), np.rint(image[:28, :40] * 0.5).astype(np.uint8))
    brighter = Decoder(write_graph(tmp_path / "twice.onnx", "scale", by=2.0))
    assert np.array_equal(brighter(image), np.minimum(2 * image.astype(int), 255))


def test_a_decoded_picture_is_a_manipulation_of_all_of_it(tmp_path, image):
    decoder = Decoder(write_graph(tmp_path / "half.onnx", "scale"))
    decoder(image)
    again = pickle.loads(pickle.dumps(Decoder(decoder.path)))  # It goes to workers before it is opened.
    made = manipulate(image, BOX, species="decoded", rng=np.random.default_rng(0), decoder=again)
    assert np.array_equal(made.fake, decoder(image))
    assert made.real is image
    assert made.mask.min() == 1
    for make in (manipulate, simulate):
        with pytest.raises(UsageError, match="decoded: needs a trained decoder"):
            make(image, BOX, species="decoded", rng=np.random.default_rng(0))


def test_files_that_are_no_decoder_are_named(tmp_path, image):
    with pytest.raises(UsageError, match="no such decoder"):
        Decoder(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(ModelError, match=r"text\.onnx: cannot be run"):
        Decoder(tmp_path / "text.onnx")(image)
    with pytest.raises(ModelError, match=r"answers with .*not with a picture"):
        Decoder(write_graph(tmp_path / "shrink.onnx", "shrink"))(image)


def test_training_draws_decoded_pictures(tmp_path, image):
    pytest.importorskip("torch", reason="torch is not installed")
    from PIL import Image

    from facetrust.data.dataset import FaceData
    from facetrust.records import Preprocessing, Sample

    Image.fromarray(image).save(tmp_path / "a.png")
    row = Sample(path=str(tmp_path / "a.png"), label=0, split="train")
    how = {"student": Preprocessing(margins=(1.0,), size=(24, 24))}
    settings = {"views": how, "species": ("decoded",), "simulate": 1.0}
    decoder = write_graph(tmp_path / "dark.onnx", "scale", by=0.0)
    item = FaceData([row], decoder=decoder, **settings)[0]
    assert (item["target"], item["simulated"]) == (1.0, True)
    black = (0.0 - np.array(how["student"].mean)) / np.array(how["student"].std)
    assert np.allclose(item["views"]["student"].amax((0, 2, 3)), black, atol=1e-5)
    with pytest.raises(UsageError, match=r"set data\.augment\.decoder"):
        FaceData([row], **settings)
