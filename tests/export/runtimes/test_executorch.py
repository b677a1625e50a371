from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from facetrust.errors import ExportError, MissingExtra, ModelError
from facetrust.export.onnx import export
from facetrust.export.runtimes import suffixes
from facetrust.export.runtimes.executorch import convert, open_file
from facetrust.model_file import open_session
from facetrust.records import ModelCard


def test_without_the_package_its_extra_is_named(monkeypatch, tmp_path):
    for name in ("executorch", "executorch.exir", "executorch.runtime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"facetrust\[executorch\]"):
        convert(tmp_path / "a.onnx", tmp_path / "a.pte")
    with pytest.raises(MissingExtra, match=r"facetrust\[executorch\]"):
        open_file(tmp_path / "a.pte")


def test_it_answers_as_the_onnx_file_does(model, card, tmp_path):
    if find_spec("executorch") is None:
        pytest.skip("needs the extra executorch")
    source = export(model, card, tmp_path / "net.onnx")
    made = convert(source, tmp_path / "et" / "net.pte")
    assert suffixes()[made.suffix].convert is convert
    ModelCard.from_json(made.with_suffix(".json").read_bytes(), "beside").verify(made)
    images = np.random.default_rng(0).standard_normal((3, 3, 32, 24)).astype(np.float32)
    names = ["evidence", "score"]
    wanted = open_session(source).run(names, {"image": images})
    for found, expected in zip(open_file(made).run(names, {"image": images}), wanted, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ExportError, match=r"end in \.pte"):
        convert(source, tmp_path / "net.onnx")
    made.write_bytes(b"no program")
    with pytest.raises(ModelError, match=r"net\.pte: cannot be run by ExecuTorch"):
        open_file(made)
