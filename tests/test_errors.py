"""The error tree is the one drawn at the top of its file, and messages give the fix."""

from __future__ import annotations

import pickle
import re

import pytest

from facetrust import errors
from facetrust.errors import FacetrustError, MissingExtra, UnknownName, first_line


def drawn_tree() -> dict[str, str]:
    """Returns child → parent as the module's docstring draws it."""
    parents, tree = {}, {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"([│├└─\s]*)([A-Z]\w+)\s{2,}\S", line):
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            tree[match[2]] = parents[depth - 1] if depth else "Exception"
    return tree


def test_the_drawn_tree_is_the_real_one():
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert drawn_tree() == real
    assert len(real) >= 12


def test_every_error_is_caught_by_the_base():
    assert all(issubclass(getattr(errors, name), FacetrustError) for name in drawn_tree())


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("nua", ["nuaa", "lfw"], "no source named 'nua'; did you mean 'nuaa'?"),
        ("zzz", ["b", "a"], "no source named 'zzz'; known: a, b"),
        ("zzz", [], "no source named 'zzz'; known: none"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, known, said):
    assert str(UnknownName("source", name, known)) == said


def test_a_missing_extra_names_the_command():
    assert str(MissingExtra("torch", "train")) == (
        "torch is not installed; run: pip install 'facetrust[train]' (in a checkout: pip install '.[train]')"
    )


@pytest.mark.parametrize("kind", [kind for name, kind in vars(errors).items() if name in drawn_tree()])
def test_every_error_survives_pickling(kind):
    """As every error must that a worker process raises."""
    arguments = {"UnknownName": ("source", "nua", ["nuaa"]), "MissingExtra": ("torch", "train")}
    error = kind(*arguments.get(kind.__name__, ("a.png: is empty",)))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


def test_a_foreign_error_is_one_short_line():
    assert first_line(ValueError("a\nb")) == "a"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 999))) == 160
