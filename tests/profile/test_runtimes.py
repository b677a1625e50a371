"""The bundled students in other runtimes: they answer as in ONNX Runtime, and a wrong one is not passed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
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


@pytest.fixture
def shifted(monkeypatch) -> Callable[[float], None]:
    """Makes every runtime one whose answers are off."""
    real = registry.module

    def put(off: float) -> None:
        monkeypatch.setattr(
            registry, "module", lambda room, *more: Shifted(off) if room == ROOM else real(room, *more)
        )

    return put


@pytest.mark.parametrize(("off", "passes"), [(0, True), (5e-5, True), (2e-4, False)])
def test_how_far_it_is_off_is_what_is_said(off, passes, shifted, capfd):
    shifted(off)
    found = runtime_parity(["antispoof-tiny"], runtimes=["shifted"], faces=4, rounds=1)[1]
    assert found.faces == 4
    assert found.scores == pytest.approx(off, abs=1e-6)
    assert found.evidence == pytest.approx(off, abs=1e-6)
    assert found.passes is passes
    assert found.bytes == locate("antispoof-tiny").stat().st_size
    asked = ["models", "parity", "antispoof-tiny", "--runtime", "shifted", "--faces", "2", "--rounds", "1"]
    assert cli.main(asked) == (0 if passes else 2)
    assert ("too far" in capfd.readouterr().out) is not passes


def test_decisions_that_change_are_counted(shifted):
    """All are attacks to the one and none to the other, so that each agrees where the other does not."""
    shares = []
    for off in (1, -1):
        shifted(off)
        shares.append(
            runtime_parity(["antispoof-tiny"], runtimes=["shifted"], faces=4, rounds=1)[1].agreement
        )
    assert sum(shares) == 1


def test_where_no_runtime_is_installed_nothing_is_passed(monkeypatch):
    monkeypatch.setattr("facetrust.profile.runtimes.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"facetrust\[executorch,openvino\]"):
        runtime_parity(["antispoof-tiny"])


def test_the_command_prints_json_and_names_what_it_does_not_know(capfd):
    assert cli.main(["models", "parity", "antispoof-tiny", "--runtime", "openvno"]) == 2
    assert "did you mean 'openvino'" in capfd.readouterr().err
    with pytest.raises(UnknownName):
        runtime_parity(["antispoof-tny"])
