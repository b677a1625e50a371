"""Names are file names, and a wrong name or argument is answered helpfully."""

from __future__ import annotations

import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import facetrust
from facetrust import registry
from facetrust.errors import UnknownName, UsageError

HOME = Path(facetrust.__file__).parent
FOLDERS = ("data.sources", "data.folds", "explain.methods", "losses", "metrics", "models", "protocols")


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_are_the_public_files(folder):
    files = HOME.joinpath(*folder.split(".")).glob("*.py")
    expected = sorted(f.stem.replace("_", "-") for f in files if not f.stem.startswith("_"))
    assert registry.names(folder) == expected


def test_find_returns_what_the_file_defines_under_its_name():
    found = registry.find("losses", "binary-cross-entropy")
    assert found.__name__ == "binary_cross_entropy"
    assert found.__module__ == "facetrust.losses.binary_cross_entropy"


@pytest.mark.parametrize(
    ("folder", "name", "said"),
    [
        (
            "losses",
            "binary-cros-entropy",
            "no losse? named 'binary-cros-entropy'; did you mean 'binary-cross-entropy'",
        ),
        ("losses", "binary_cross_entropy", "did you mean 'binary-cross-entropy'"),
        ("models", "minifasnt", "no model named 'minifasnt'; did you mean 'minifasnet'"),
        ("losses", "qqqq", "known: .*binary-cross-entropy"),
        ("losses", "_private", "no losse? named '_private'"),
    ],
)
def test_an_unknown_name_is_an_error(folder, name, said):
    with pytest.raises(UnknownName, match=said):
        registry.find(folder, name)


def test_call_binds_the_arguments_first():
    def builder(size: int, *, depth: int = 2) -> int:
        return size * depth

    assert registry.call(builder, "thing", 3, depth=4) == 12
    with pytest.raises(
        UsageError, match=r"thing: got an unexpected keyword argument 'dept'; it takes \(size"
    ):
        registry.call(builder, "thing", 3, dept=4)
    with pytest.raises(UsageError, match="thing: missing a required argument: 'size'"):
        registry.call(builder, "thing")


def test_a_type_error_inside_the_builder_is_not_mistaken_for_a_wrong_argument():
    def broken(size: int) -> int:
        return size + "1"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        registry.call(broken, "broken", 1)


class TestSettingsAsText:
    @staticmethod
    def built(one: int, *, frames: int | tuple[int, int] = 1, name: str = "", sure: bool = False) -> object:
        return one, frames, name, sure

    def test_the_signature_says_of_what_kind_they_are(self):
        made = registry.call_with_text(self.built, "x", 1, frames="[30, 9]", name="c23", sure="true")
        assert made == (1, (30, 9), "c23", True)
        assert registry.call_with_text(self.built, "x", 1, frames="7") == (1, 7, "", False)
        assert registry.call_with_text(self.built, "x", 1, frames=(2, 3)) == (1, (2, 3), "", False)

    def test_what_does_not_fit_is_named(self):
        with pytest.raises(UsageError, match="x: sure: Input should be a valid boolean"):
            registry.call_with_text(self.built, "x", 1, sure="perhaps")
        with pytest.raises(UsageError, match=r"frame.*it takes"):
            registry.call_with_text(self.built, "x", 1, frame="7")


@pytest.fixture
def added(monkeypatch):
    """A function that makes another package's entry points: name → value, found in any room."""

    def make(**values: str) -> None:
        found = {name.replace("_", "-"): EntryPoint(name, value, "g") for name, value in values.items()}
        monkeypatch.setattr(registry, "_added", lambda room: found)

    return make


def test_a_thing_of_another_package_is_a_module_laid_out_like_ours_or_the_callable_itself(added):
    added(wrap="textwrap", shorter="textwrap:shorten")
    assert registry.find("losses", "wrap") is textwrap.wrap
    assert registry.find("losses", "shorter") is textwrap.shorten
    assert {"wrap", "shorter", "nt-xent"} <= set(registry.names("losses"))


def test_another_packages_thing_that_cannot_be_used_is_one_line(added):
    added(textwrap_="textwrap", gone="no_such_package.module")
    with pytest.raises(UsageError, match="textwrap-: textwrap defines no textwrap_"):
        registry.find("losses", "textwrap-")
    with pytest.raises(UsageError, match=r"gone: no_such_package.module cannot be imported"):
        registry.find("losses", "gone")


def test_a_name_of_ours_stays_ours(toy):
    own = registry.find("losses", "nt-xent")
    assert own.__module__ == "facetrust.losses.nt_xent"
    assert registry.find("losses", "toy-pixels").__module__ == "facetrust_toy.pixels"
    assert "toy-quarters" in registry.names("tasks")


def test_settings_are_keys_and_values():
    assert registry.settings_of(["a=1", " b = x=y "]) == {"a": "1", "b": "x=y"}
    for wrong, message in (
        (["a"], "write key=value"),
        (["=1"], "write key=value"),
        (["a=1", "a=2"], "set twice"),
    ):
        with pytest.raises(UsageError, match=message):
            registry.settings_of(wrong)
