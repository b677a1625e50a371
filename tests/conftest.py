"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import os

# Two cores are shared by tests that train and tests that infer; one thread each is the faster choice.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the unpacked research sets: nuaa, lfw, cfp, fasseg, ffpp, cifar32, orl.

    FACETRUST_DATA names it; otherwise the archives beside the checkout are unpacked once.
    """
    if named := os.environ.get("FACETRUST_DATA"):
        folder = Path(named)
        if not folder.is_dir():
            pytest.fail(f"FACETRUST_DATA={named} is not a folder")
        return folder
    unpack = BESIDE / "data" / "unpack"
    if not unpack.is_file():
        pytest.skip("no real data: set FACETRUST_DATA to a folder with the unpacked sets")
    folder = Path(tempfile.gettempdir()) / f"facetrust-data-{os.getuid()}"
    subprocess.run([unpack, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder with other projects' checkpoints; FACETRUST_PEERS names it."""
    folder = Path(os.environ.get("FACETRUST_PEERS") or BESIDE / "peers")
    if not folder.is_dir():
        pytest.skip("no peers' checkpoints: set FACETRUST_PEERS to a folder with them")
    return folder.resolve()


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG of a public-domain portrait with one face."""
    from PIL import Image
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut()).save(path)
    return path


@pytest.fixture(scope="session")
def film() -> Callable[..., Path]:
    """Writes (H, W, 3) RGB frames as a video, in any code that the build can write; gives its path."""
    import cv2

    def write(path: Path, frames: Any, code: str = "MJPG") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (frames[0].shape[1], frames[0].shape[0])
        # MJPG is written as AVI and then given the name: its content says what a video is.
        made = path if code != "MJPG" else path.with_name(f".{path.name}.avi")
        video = cv2.VideoWriter(str(made), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), 25.0, size)
        assert video.isOpened()
        for frame in frames:
            video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        video.release()
        return made.rename(path)

    return write


@pytest.fixture(scope="session")
def bright_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .onnx file with card that takes brightness for an attack: its logit is 20 (mean - 0.65)."""
    import onnx
    from onnx import TensorProto, helper

    from facetrust.records import ModelCard, Preprocessing, Threshold, sha256_of

    def constant(name: str, values: list[float]) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, [len(values)] if len(values) > 1 else [], values)

    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    cells = helper.make_tensor("cells", TensorProto.INT64, [2], [1, 2])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("ReduceMean", ["pooled", "axes"], ["grey"], keepdims=0),
        helper.make_node("Sub", ["grey", "middle"], ["centred"]),
        helper.make_node("Mul", ["centred", "slope"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence", "cells"], ["logit"], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 64, 64])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", 4, 4]),
        ],
        [axes, cells, constant("middle", [0.65]), constant("slope", [20.0])],
    )
    path = tmp_path_factory.mktemp("bright") / "bright.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    card = ModelCard(
        name="bright",
        task="antispoof",
        architecture="by hand",
        preprocessing=Preprocessing(size=(64, 64)),
        score_means="brightness",
        evidence_means="brightness of a cell, in logits",
        thresholds=(Threshold(value=0.5, rule="by hand", manifest="none", split="dev"),),
        weights=path.name,
        sha256=sha256_of(path),
    )
    path.with_suffix(".json").write_text(card.to_json())
    return path
