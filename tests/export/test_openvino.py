from __future__ import annotations

import sys

import numpy as np
import pytest

from facetrust.errors import ExportError, MissingExtra
from facetrust.export.onnx import export
from facetrust.export.openvino import openvino
from facetrust.model_file import open_session
from facetrust.records import ModelCard


def test_without_the_package_its_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"facetrust\[openvino\]"):
        openvino(tmp_path / "a.onnx", tmp_path / "a.xml")


def test_openvino_answers_as_the_onnx_file_does(model, card, tmp_path):
    library = pytest.importorskip("openvino", reason="needs the extra openvino")
    source = export(model, card, tmp_path / "net.onnx")
    made = openvino(source, tmp_path / "ov" / "net.xml")
    beside = ModelCard.from_json(made.with_suffix(".json").read_bytes(), "beside")
    beside.verify(made.with_suffix(".bin"))
    images = np.random.default_rng(0).standard_normal((3, 3, 32, 24)).astype(np.float32)
    # The hint keeps float32 on processors where OpenVINO would compute in half precision.
    compiled = library.Core().compile_model(str(made), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled({"image": images})
    for name, wanted in zip(
        ("score", "evidence"), open_session(source).run(None, {"image": images}), strict=True
    ):
        np.testing.assert_allclose(found[name], wanted, atol=1e-4)
    with pytest.raises(ExportError, match=r"end in \.xml"):
        openvino(source, tmp_path / "net.onnx")
