"""What `import facetrust` offers, and that it costs nothing until it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import facetrust

COSTLY = {"torch", "numpy", "cv2", "polars", "pydantic", "onnx", "onnxruntime", "timm", "PIL", "rich"}


def loaded_after(code: str) -> set[str]:
    """Returns the top-level modules loaded in a fresh interpreter after some code."""
    listing = f"{code}\nimport json, sys; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_all_is_sorted_and_complete():
    names = [name for name in facetrust.__all__ if name != "__version__"]
    assert names == sorted(names)
    assert len(names) >= 7
    assert set(facetrust.__all__) == set(dir(facetrust))


@pytest.mark.parametrize("name", facetrust.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(facetrust, name) is not None


def test_public_classes_and_functions_carry_their_own_name():
    for name in facetrust.__all__:
        if name != "__version__":
            assert getattr(facetrust, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        facetrust.chekc  # noqa: B018


def test_import_loads_nothing_costly():
    loaded = loaded_after("import facetrust")
    assert "facetrust" in loaded
    assert not loaded & COSTLY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--help"], ["data", "--help"]])
def test_help_loads_nothing_costly(arguments):
    loaded = loaded_after(f"from facetrust.cli import main; assert main({arguments!r}) == 0")
    assert "typer" in loaded
    assert not loaded & (COSTLY - {"pydantic"})  # Typer itself needs it for a command's arguments.


def test_records_come_without_the_runtime():
    loaded = loaded_after("from facetrust import ModelCard")
    assert "pydantic" in loaded
    assert not loaded & {"torch", "cv2", "onnxruntime", "polars"}


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_telemetry_is_off_before_onnxruntime_is_imported_unless_the_user_says_otherwise(given, expected):
    code = (
        "import os, sys, facetrust\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    place = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    place |= {} if given is None else {"ORT_DISABLE_TELEMETRY": given}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=place)
    assert done.stdout.strip() == expected
