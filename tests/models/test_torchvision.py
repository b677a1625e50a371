from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

FIRST = "from facetrust.models._torchvision import make_torchvision_importable as make; "


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")
def test_torchvision_can_be_imported_afterwards() -> None:
    assert run("import facetrust.models, torchvision; print(torchvision.ops.nms.__name__)") == "nms\n"


def test_a_second_call_changes_nothing() -> None:
    assert run(FIRST + "make(); print(make())") == "False\n"


def test_a_sound_installation_is_left_as_it_is() -> None:
    code = "import facetrust.models._torchvision as t; t._declared.clear(); t._loads = lambda folder: True; "
    assert run(code + "print(t.make_torchvision_importable(), t._declared)") == "False []\n"


def test_without_torchvision_nothing_is_declared() -> None:
    code = "import facetrust.models._torchvision as t; t._declared.clear(); t.find_spec = lambda name: None; "
    assert run(code + "print(t.make_torchvision_importable(), t._declared)") == "False []\n"
