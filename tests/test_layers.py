"""Who may import whom. The table is the house; a file that breaks it, or a folder not in it, fails."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import facetrust

HOME = Path(facetrust.__file__).parent
FILES = sorted(HOME.rglob("*.py"))

NOUNS = {"errors", "records", "registry", "imaging", "video", "rules"}
PARTS = {"data", "models", "losses", "metrics", "explain"}
MIDDLE = {"protocols", "export", "runtime", "tasks", "prepare"}
COMMANDS = {
    "train",
    "evaluate",
    "report",
    "profile",
    "published",
    "attacks",
    "contact",
    "ship",
    "explained",
    "compared",
    "demo",
    "folds",
}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "records": {"errors"},
    "registry": {"errors"},
    "imaging": {"errors", "records"},
    "video": {"errors", "records", "imaging"},
    "rules": {"errors"},
    "_efficientnet_names": set(),
    **dict.fromkeys(PARTS, NOUNS),
    "models": NOUNS | {"_efficientnet_names"},
    "protocols": NOUNS | {"metrics"},
    "export": NOUNS,
    "runtime": NOUNS,
    "prepare": NOUNS | {"data", "runtime"},
    "tasks": NOUNS | {"data", "models", "losses"},
    "recipe": NOUNS,
    "_learner": NOUNS | {"models", "metrics"},
    "_teaching": NOUNS | {"data", "tasks"},
    "_loading": NOUNS | {"data", "recipe", "_assembly", "_teaching"},
    "_assembly": NOUNS | {"models", "tasks", "recipe"},
    "train": NOUNS | PARTS | MIDDLE | {"recipe", "_learner", "_loading", "_teaching", "_assembly"},
    "evaluate": NOUNS | PARTS | MIDDLE,
    "_drawings": NOUNS | {"metrics"},
    "robustness": NOUNS | {"data", "metrics", "protocols", "_drawings"},
    "report": NOUNS | PARTS | MIDDLE | {"_drawings", "robustness"},
    "profile": NOUNS | PARTS | MIDDLE,
    "_efficient_vits": NOUNS | {"_efficientnet_names"},
    "published": NOUNS | PARTS | MIDDLE | {"_efficient_vits"},
    "demo": NOUNS | PARTS | MIDDLE,
    "attacks": NOUNS | {"data"},
    "contact": NOUNS | {"data"},
    "folds": NOUNS | {"data", "protocols"},
    "agreement": NOUNS,
    "_looking": NOUNS | {"explain", "models"},
    "_side_by_side": NOUNS,
    "explained": NOUNS | {"_looking", "explain", "models", "runtime"},
    "compared": NOUNS | {"agreement", "_looking", "_side_by_side", "data", "models", "runtime"},
    "ship": NOUNS | PARTS | {"export", "protocols"},
    "cli": NOUNS | PARTS | MIDDLE | COMMANDS | {"recipe"},
    "__main__": {"cli"},
    "__init__": set(),
}

# Without torch a picture is prepared, checked, audited and reported on.
TORCH_FREE = [
    *(
        "runtime",
        "imaging",
        "video",
        "rules",
        "records",
        "registry",
        "prepare",
        "report",
        "demo",
        "metrics",
        "protocols",
        "cli",
    ),
    *(
        "attacks",
        "contact",
        "folds",
        "evaluate",
        "robustness",
        "data.manifest",
        "data.splits",
        "data.audit",
        "data.probes",
        "data.simulate",
        "data.disturb",
    ),
    "data.sources",
]


def unit_of(file: Path) -> str:
    """Returns the folder or file of the house that a source file belongs to."""
    name = file.relative_to(HOME).parts[0].removesuffix(".py")
    # cli.py and its private neighbours are one unit.
    return "cli" if name.startswith("_cli") else name


def imports_of(file: Path) -> Iterator[str]:
    """Yields the units of ours that a file imports anywhere in it, the registry's lookups included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: line {node.lineno}: imports are written in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0] if node.args else None
            looks_up = ast.unparse(node.func.value) == "registry" and isinstance(first, ast.Constant)
            names = [f"facetrust.{first.value}"] if looks_up else []
        else:
            names = []
        for name in names:
            parts = name.split(".")
            if parts[0] == "facetrust" and len(parts) > 1 and parts[1] != "__version__":
                yield "cli" if parts[1].startswith("_cli") else parts[1]


def graph() -> dict[str, set[str]]:
    """Returns unit → the other units it imports."""
    found: dict[str, set[str]] = {unit_of(file): set() for file in FILES}
    for file in FILES:
        if file != HOME / "__init__.py":  # It names its homes as text and imports them when asked.
            found[unit_of(file)] |= set(imports_of(file)) - {unit_of(file)}
    return found


def test_every_file_is_seen():
    assert len(FILES) >= 25
    assert len(FILES) == sum(1 for path in HOME.rglob("*") if path.suffix == ".py")
    assert {unit_of(file) for file in FILES} <= set(ALLOWED), (
        "a new folder or file must be placed in the table"
    )


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(HOME)) for file in FILES])
def test_a_file_imports_only_what_lies_below_it(file):
    if file == HOME / "__init__.py":
        return
    unit = unit_of(file)
    wrong = set(imports_of(file)) - {unit} - ALLOWED[unit]
    assert not wrong, f"{unit} may not import {sorted(wrong)}"


def test_the_table_itself_has_no_circle():
    order = list(TopologicalSorter(ALLOWED).static_order())
    assert set(order) == set(ALLOWED)
    for part in PARTS:
        assert not ALLOWED[part] & PARTS, "siblings never import each other"


def test_nothing_is_imported_both_ways():
    found = graph()
    knots = {(a, b) for a in found for b in found[a] if a < b and a in found.get(b, set())}
    assert knots == set()
    assert sum(map(len, found.values())) >= 30


def test_only_the_registry_and_the_root_import_by_text():
    users = {unit_of(file) for file in FILES if "import_module" in file.read_text()}
    assert users == {"registry", "__init__"}


def test_there_is_no_utils():
    assert not [path for path in HOME.rglob("*") if "util" in path.stem or "helper" in path.stem]


def test_the_import_finder_sees_every_form(tmp_path):
    text = """
import facetrust.train
from facetrust import records
from facetrust.data.sources import nuaa
from facetrust import __version__
def late():
    from facetrust._cli_show import table
    return registry.build("losses", "x"), registry.names("data.sources")
"""
    (tmp_path / "f.py").write_text(text)
    assert sorted(imports_of(tmp_path / "f.py")) == ["cli", "data", "data", "losses", "records", "train"]


def modules_in(units: list[str]) -> list[str]:
    names = ["facetrust." + ".".join(file.relative_to(HOME).with_suffix("").parts) for file in FILES]
    names = [name.removesuffix(".__init__") for name in names]
    return [name for name in names if any(f"{name}.".startswith(f"facetrust.{unit}.") for unit in units)]


def test_the_torch_free_parts_load_no_torch():
    wanted = modules_in(TORCH_FREE)
    assert len(wanted) >= 25
    code = (
        "import importlib, json, sys\n"
        f"for name in {wanted!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert {"numpy", "facetrust"} <= loaded
    assert not loaded & {"torch", "torchvision", "lightning", "timm", "tensorflow"}


def test_no_private_module_is_imported_across_rooms():
    wrong = [
        f"{file.relative_to(HOME)}: {module}"
        for file in FILES
        for module in re.findall(r"(?:from|import) (facetrust\.[\w.]+)", file.read_text())
        if "._" in module and module.split(".")[1] != file.relative_to(HOME).parts[0]
    ]
    assert wrong == []
