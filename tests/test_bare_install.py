"""What works after `pip install facetrust`, without any extra: the other packages are hidden here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

PROJECT: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]
HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
RUN = "from facetrust.cli import main\nsys.exit(main(sys.argv[1:]))"


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: list[str]) -> set[str]:
    """Returns the distributions that some requirements bring, theirs included."""
    found: set[str] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        name = plain(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            waiting += [Requirement(each) for each in requires(name) or []]
        except PackageNotFoundError:
            continue  # Such as a package for another platform.
        found.add(name)
    return found


def hidden(*extras: str) -> set[str]:
    """Returns the packages that are installed here, but not beside a bare facetrust with these extras."""
    more = [each for extra in extras for each in PROJECT["optional-dependencies"][extra]]
    kept = {*closure([*PROJECT["dependencies"], *more]), "facetrust"}
    homes = packages_distributions()
    return {name for name, brought in homes.items() if not kept & {plain(each) for each in brought}}


def bare(*arguments: object, extras: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    """Runs the command line where the packages of other extras cannot be imported."""
    code = HIDE.format(hidden=hidden(*extras)) + RUN
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_large_packages_are_hidden():
    assert {"torch", "polars", "onnx", "matplotlib", "skimage", "scipy", "av", "yaml"} <= hidden()
    assert not {"numpy", "cv2", "onnxruntime", "PIL", "lz4", "typer", "rich", "facetrust"} & hidden()
    assert "skimage" not in hidden("demo")


def test_check_works_and_builds_its_detector(photo, tmp_path):
    done = bare("check", photo, "--json", "--evidence", tmp_path / "maps", FACETRUST_CACHE=str(tmp_path))
    assert done.returncode in (0, 1), done.stderr
    (face,) = json.loads(done.stdout)["faces"]
    assert {verdict["task"] for verdict in face["verdicts"]} >= {"antispoof"}
    assert list((tmp_path / "maps").iterdir())
    assert len(list(tmp_path.rglob("*net.onnx"))) == 3


def test_a_scan_writes_json_lines_alone(photo, tmp_path):
    done = bare("scan", photo, "--out", tmp_path / "out", "--jsonl", "--workers", 1)
    assert done.returncode in (0, 1), done.stderr
    assert [path.name for path in (tmp_path / "out" / "parts").iterdir()] == ["000000.jsonl"]


def test_models_are_listed():
    done = bare("models", "--json")
    assert done.returncode == 0, done.stderr
    assert "antispoof-tiny" in done.stdout


@pytest.mark.parametrize("against", [(), ("--vs", "deepfake-tiny")])
def test_exported_models_are_profiled_without_torch(against):
    assert "torch" in hidden("profile")
    asked = ("profile", "antispoof-tiny", *against, "--engine", "onnxruntime", "--rounds", 3, "--no-memory")
    done = bare(*asked, "--batch", 1, "--json", extras=("profile",))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["profiles"]
    assert [row["engine"] for row in found] == ["onnxruntime"] * (1 + bool(against))
    assert found[0]["parameters"] == 249_968


def test_the_demo_needs_its_own_extra_only(tmp_path):
    done = bare("demo", "--out", tmp_path, extras=("demo",))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").is_file()


def test_the_service_needs_its_own_extra_only(tmp_path):
    assert {"torch", "cryptography", "fastapi", "uvicorn"} <= hidden()
    assert not {"fastapi", "uvicorn", "websockets", "prometheus_client"} & hidden("serve")
    done = bare("keys", "add", "door", "--keys", tmp_path / "keys.json")
    assert done.returncode == 0, done.stderr
    done = bare("serve", "--port", 0, "--keys", tmp_path / "none.json", extras=("serve",))
    assert done.returncode == 2
    assert "none.json: the API keys cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["audit", "rows.csv"], "polars", "data"),
        (["data", "prepare", "nuaa", ".", "--out", "rows.csv"], "polars", "data"),
        (["evaluate", "antispoof-tiny", "--data", "rows.csv", "--out", "scores"], "polars", "data"),
        (["report", "test.parquet", "--dev", "dev.parquet", "--out", "report"], r"\w+", "report"),
        (["profile", "antispoof-tiny.onnx", "--engine", "onnxruntime"], "onnx", "profile"),
        (["scan", "antispoof-tiny.onnx", "--out", "out"], "polars", "data"),
        (["scan", "s3://bucket/faces/", "--out", "out", "--jsonl"], "fsspec", "scan"),
        (["demo", "--out", "demo"], "scikit-image", "demo"),
        (["serve"], "uvicorn", "serve"),
        (["train", "antispoof/student-nuaa"], r"\w+", "train"),
    ],
)
def test_what_is_missing_is_named_with_its_extra(arguments, package, extra, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("path,split\n")
    from facetrust.model_file import locate

    (tmp_path / "antispoof-tiny.onnx").write_bytes(locate("antispoof-tiny").read_bytes())
    done = bare(*arguments)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"facetrust: {package} is not installed; run: pip install 'facetrust\[{extra}\]'.*\n", done.stderr
    ), done.stderr
