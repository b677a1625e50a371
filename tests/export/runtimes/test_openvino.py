from __future__ import annotations

import sys

import numpy as np
import pytest

from facetrust.errors import ExportError, MissingExtra, ModelError
from facetrust.export.onnx import export
from facetrust.export.runtimes import suffixes
from facetrust.export.runtimes.openvino import convert, open_file
from facetrust.model_file import open_session
from facetrust.records import ModelCard


def test_without_the_package_its_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"facetrust\[openvino\]"):
        convert(tmp_path / "a.onnx", tmp_path / "a.xml")
    with pytest.raises(MissingExtra, match=r"facetrust\[openvino\]"):
        open_file(tmp_path / "a.xml")


def test_it_answers_as_the_onnx_file_does(model, card, tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    reporters: list[object] = []  # Its own converter would make one, which calls its maker.
    monkeypatch.setattr("openvino_telemetry.Telemetry.__init__", lambda *given, **_: reporters.append(given))
    source = export(model, card, tmp_path / "net.onnx")
    made = convert(source, tmp_path / "ov" / "net.xml")
    assert suffixes()[made.suffix].convert is convert
    beside = ModelCard.from_json(made.with_suffix(".json").read_bytes(), "beside")
    beside.verify(made.with_suffix(".bin"))
    images = np.random.default_rng(0).standard_normal((3, 3, 32, 24)).astype(np.float32)
    names = ["evidence", "score"]
    wanted = open_session(source).run(names, {"image": images})
    for found, expected in zip(open_file(made).run(names, {"image": images}), wanted, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ExportError, match=r"end in \.xml"):
        convert(source, tmp_path / "net.onnx")
    assert reporters == []


def test_what_cannot_be_read_is_named_and_nothing_is_left(model, card, tmp_path):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no graph")
    with pytest.raises(ExportError, match=r"bad\.onnx: OpenVINO cannot convert it"):
        convert(bad, tmp_path / "out" / "bad.xml")
    with pytest.raises(ModelError, match=r"bad\.xml: cannot be run by OpenVINO"):
        open_file(tmp_path / "out" / "bad.xml")
    assert list((tmp_path / "out").iterdir()) == []
