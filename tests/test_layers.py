"""Who may import whom. The map is the house; a file that breaks it, or a room not on it, fails."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import facetrust

HOME = Path(facetrust.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(HOME.rglob("*.py"))

# A room uses only rooms above it, or left of it on its line; the parts never use each other.
MAP = {
    "nouns": ("errors", "records", "registry", "fusion", "model_file"),
    "pixels": ("imaging", "faces"),
    "parts": ("metrics", "losses", "models"),
    "questions": ("tasks", "protocols"),
    "runtime": ("runtime",),
    "work": ("data", "training", "evaluation", "export", "explain", "profile", "zoo"),
    "product": ("serve", "cli"),
}
FOLDERS_OF_DATA = {"assets", "recipes"}


def allowed() -> dict[str, set[str]]:
    """Returns room → the rooms that it may use."""
    above: set[str] = set()
    table: dict[str, set[str]] = {}
    for line, rooms in MAP.items():
        left: set[str] = set()
        for room in rooms:
            table[room] = above | left
            left |= set() if line == "parts" else {room}
        above |= set(rooms)
    return table | {"__main__": {"cli"}, "__init__": set()}


ALLOWED = allowed()

# Without torch a picture is prepared, checked, audited and reported on.
TORCH_FREE = [
    *("errors", "records", "registry", "fusion", "model_file", "imaging", "faces", "metrics"),
    *("tasks", "protocols", "runtime", "serve", "cli", "evaluation", "data"),
]
NEEDS_TORCH = {
    "tasks._binary.objective",
    "tasks.antispoof.objective",
    "tasks.deepfake.objective",
    "tasks.parsing.objective",
    "tasks.recognition.objective",
    "tasks.synthetic.objective",
    "data.batches",
    "data.dataset",
}
NEEDS_TORCH |= {"data.sampler"}


def room_of(file: Path) -> str:
    """Returns the room that a source file belongs to."""
    return file.relative_to(HOME).parts[0].removesuffix(".py")


def imports_of(file: Path) -> Iterator[str]:
    """Yields what a file imports of ours anywhere in it, dotted, the registry's lookups included."""
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
                yield ".".join(parts[1:])


def rooms_used_by(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(file)} - {room_of(file)}


def test_every_file_is_seen_and_every_room_is_on_the_map():
    assert len(FILES) >= 150
    assert {room_of(file) for file in FILES} == set(ALLOWED)
    names = {path.name.removesuffix(".py") for path in HOME.iterdir()} - {"__pycache__", "py.typed"}
    assert names - {"__init__", "__main__"} == {room for rooms in MAP.values() for room in rooms} | (
        FOLDERS_OF_DATA
    )
    assert len(names - {"__init__", "__main__"}) <= 24


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(HOME)) for file in FILES])
def test_a_file_uses_only_rooms_above_it_or_left_of_it(file):
    if file == HOME / "__init__.py":  # It names its homes as text and imports them when asked.
        return
    wrong = rooms_used_by(file) - ALLOWED[room_of(file)]
    assert not wrong, f"{room_of(file)} may not use {sorted(wrong)}"


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(HOME)) for file in FILES])
def test_nothing_private_crosses_rooms(file):
    """A module or a name that begins with an underscore is its room's own."""
    for name in imports_of(file):
        room, *rest = name.split(".")
        private = [part for part in rest if part.startswith("_") and not part.startswith("__")]
        assert room == room_of(file) or not private, f"{name} is private to {room}"


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_map_in_the_pages_is_this_one(page):
    text = (ROOT / page).read_text()
    for line, rooms in MAP.items():
        shown = [row.split() for row in text.splitlines() if row.split()[:1] == [line]]
        assert shown, f"{page} lacks the line of {line}"
        assert tuple(shown[0][1 : 1 + len(rooms)]) == rooms


def test_many_rooms_use_many():
    used = {
        room: set().union(*(rooms_used_by(file) for file in FILES if room_of(file) == room))
        for room in ALLOWED
    }
    assert sum(map(len, used.values())) >= 60
    knots = {(a, b) for a in used for b in used[a] if a < b and a in used.get(b, set())}
    assert knots == set()


def test_only_the_registry_and_the_root_import_by_text():
    users = {room_of(file) for file in FILES if "import_module" in file.read_text()}
    assert users == {"registry", "__init__"}


def test_there_is_no_utils():
    assert not [path for path in HOME.rglob("*") if "util" in path.stem or "helper" in path.stem]


def test_a_questions_name_is_known_in_its_own_room_alone():
    """But for recipes, cards, importers of published weights and the demo."""
    questions = {path.parent.name for path in HOME.glob("tasks/*/verdict.py")}
    assert questions >= {"antispoof", "deepfake", "parsing", "recognition", "synthetic"}
    names = {f'"{name}"' for name in questions}
    named = {
        file.relative_to(HOME).as_posix() for file in FILES if any(name in file.read_text() for name in names)
    }
    own = (*(f"tasks/{name}/" for name in questions), "zoo/", "cli/demo.py")
    assert [file for file in named if not file.startswith(own)] == []


def test_the_import_finder_sees_every_form(tmp_path):
    text = """
import facetrust.training.train
from facetrust import records
from facetrust.data.sources import nuaa
from facetrust import __version__
def late():
    from facetrust.cli.output import table
    return registry.build("losses", "x"), registry.names("data.sources")
"""
    (tmp_path / "f.py").write_text(text)
    found = sorted(name.split(".")[0] for name in imports_of(tmp_path / "f.py"))
    assert found == ["cli", "data", "data", "losses", "records", "training"]


def modules_in(rooms: list[str]) -> list[str]:
    names = [
        ".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__") for file in FILES
    ]
    return [f"facetrust.{name}" for name in names if name.split(".")[0] in rooms and name not in NEEDS_TORCH]


def test_the_torch_free_rooms_load_no_torch():
    wanted = modules_in(TORCH_FREE)
    assert len(wanted) >= 80
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
