"""The bundled students in other runtimes: they answer as in ONNX Runtime, and a wrong one is not passed."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from facetrust import cli, registry
from facetrust.errors import MissingExtra, UnknownName
from facetrust.export.parity import FLOAT_TOLERANCE
from facetrust.export.runtimes import ROOM
from facetrust.model_file import bundled, locate, open_session
from facetrust.profile.runtimes import runtime_parity


@pytest.mark.parametrize("runtime", registry.names(ROOM))
@pytest.mark.parametrize("name", bundled())
def test_a_bundled_student_answers_as_in_onnx_runtime(name, runtime):
    try:
        first, other = runtime_parity([name], runtimes=[runtime], faces=3, rounds=1)
    except MissingExtra as error:
        pytest.skip(str(error))
    assert (first.runtime, other.runtime) == ("onnxruntime", runtime)
    assert (first.scores, first.agreement, first.bytes) == (0, 1, locate(name).stat().st_size)
    assert other.passes
    assert other.scores <= FLOAT_TOLERANCE
    assert other.evidence is None or other.evidence < 1e-3
    assert other.agreement == 1 if name != "parsing-tiny" else other.agreement > 0.999


class Off:
    """A session whose answers are off by so much."""

    def __init__(self, session: Any, by: float) -> None:
        self._session = session
        self._by = np.float32(by)

    def run(self, names, inputs) -> list[Any]:
        return [value + self._by for value in self._session.run(names, inputs)]


class Shifted:
    """A runtime whose answers are off by what a test says."""

    SUFFIX = ".copy"

    def __init__(self, off: float) -> None:
        self._off = off

    def convert(self, source, out):
        out.parent.mkdir()
        return shutil.copy(source, out)

    def open_file(self, path):
        return Off(open_session(path), self._off)


@pytest.mark.parametrize(
    ("off", "passes", "agreement"), [(0, True, 1), (5e-5, True, 1), (2e-4, False, 1), (1, False, 0)]
)
def test_how_far_it_is_off_is_what_is_said(off, passes, agreement, monkeypatch, capfd):
    real = registry.module
    monkeypatch.setattr(
        registry, "module", lambda room, *more: Shifted(off) if room == ROOM else real(room, *more)
    )
    found = runtime_parity(["antispoof-tiny"], runtimes=["shifted"], faces=4, rounds=1)[1]
    assert found.faces == 4
    assert found.scores == pytest.approx(off, abs=1e-6)
    assert found.evidence == pytest.approx(off, abs=1e-6)
    assert found.passes is passes
    assert found.agreement in (agreement, 1)
    assert found.bytes == locate("antispoof-tiny").stat().st_size
    status = cli.main(["models", "parity", "antispoof-tiny", "--runtime", "shifted", "--rounds", "1"])
    assert status == (0 if passes else 2)
    assert ("too far" in capfd.readouterr().out) is not passes


def test_the_command_prints_json_and_names_what_it_does_not_know(capfd):
    assert cli.main(["models", "parity", "antispoof-tiny", "--runtime", "openvno"]) == 2
    assert "did you mean 'openvino'" in capfd.readouterr().err
    with pytest.raises(UnknownName):
        runtime_parity(["antispoof-tny"])
