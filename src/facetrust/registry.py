"""Finds things by file name: `metrics/bpcer.py` holds `bpcer`, and no list has to be kept."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from typing import Any

from pydantic import ValidationError, validate_call

from facetrust.errors import UnknownName, UsageError


def names(folder: str) -> list[str]:
    """Returns the public names in a folder such as `"metrics"` or `"data.sources"`, sorted."""
    entries = files("facetrust").joinpath(*folder.split(".")).iterdir()
    stems = (entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py"))
    return sorted(stem.replace("_", "-") for stem in stems if not stem.startswith("_"))


def find(folder: str, name: str) -> Callable[..., Any]:
    """Returns the callable that `<folder>/<name>.py` defines under its own name.

    Raises:
        UnknownName: no such file; the message gives the nearest name.
    """
    stem = name.replace("-", "_")
    if name not in names(folder):
        raise UnknownName(folder.rsplit(".", 1)[-1].rstrip("s"), name, names(folder))
    return getattr(import_module(f"facetrust.{folder}.{stem}"), stem)  # type: ignore[no-any-return]


def find_type(folder: str, name: str) -> type[Any]:
    """Returns the class that lies beside the callable `name`, in its file, under its name in camel case.

    Raises:
        UnknownName: no such file; the message gives the nearest name.
    """
    home = import_module(find(folder, name).__module__)
    return getattr(home, "".join(word.capitalize() for word in name.split("-")))  # type: ignore[no-any-return]


def build(folder: str, name: str, /, *args: Any, **settings: Any) -> Any:
    """Returns what the callable found under `name` makes of the settings.

    Raises:
        UsageError: the settings do not fit; the message gives the signature.
    """
    return call(find(folder, name), name, *args, **settings)


def call(builder: Callable[..., Any], name: str, /, *args: Any, **settings: Any) -> Any:
    """Returns `builder(*args, **settings)`, the arguments checked against its signature first."""
    signature = inspect.signature(builder)
    try:
        signature.bind(*args, **settings)
    except TypeError as error:
        raise UsageError(f"{name}: {error}; it takes {signature}") from None
    return builder(*args, **settings)


def call_as_said(builder: Callable[..., Any], name: str, /, *args: Any, **settings: Any) -> Any:
    """Returns `builder(*args, **settings)`, where settings may be text; the signature says of what kind.

    `[30, 9]`, `true` or `0.5` are read as JSON where they can be.

    Raises:
        UsageError: a setting is unknown, or not of its kind.
    """
    known = {key: _said(value) for key, value in settings.items()}
    try:
        return call(validate_call(builder), name, *args, **known)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _said(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
