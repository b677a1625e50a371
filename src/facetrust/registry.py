"""Finds things by name: `metrics/bpcer.py` holds `bpcer`, and no list has to be kept.

A room is a folder of the package, such as `"metrics"` or `"data.sources"`. Another installed package adds
a thing by an entry point in the group `facetrust.<last part of the room>`: its name is the public name, its
value a module laid out as one of ours (`my_package.my_loss`), or `module:attribute` for the callable itself.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from types import ModuleType
from typing import Any

from pydantic import ValidationError, validate_call

from facetrust.errors import UnknownName, UsageError


def names(room: str) -> list[str]:
    """Returns the public names in a room, those that other packages add included, sorted."""
    return sorted({*_own(room), *_added(room)})


def module(room: str, name: str, part: str = "") -> ModuleType:
    """Returns the module of a thing, or the file `part` beside it where the thing is a folder.

    Raises:
        UnknownName: no such thing; the message gives the nearest name.
        UsageError: another package's module cannot be imported.
    """
    if name in _own(room):
        path = f"facetrust.{room}.{_stem(name)}"
    elif name in _added(room):
        path = _added(room)[name].module
    else:
        raise UnknownName(_kind(room), name, names(room))
    path = f"{path}.{part}" if part else path
    try:
        return import_module(path)
    except ImportError as error:
        # Of our own files, a missing package has an error of its own that names the extra.
        if path.startswith("facetrust.") or (
            isinstance(error, ModuleNotFoundError) and _is_extra(error, path)
        ):
            raise
        raise UsageError(f"{name}: {path} cannot be imported ({error})") from None


def find(room: str, name: str) -> Callable[..., Any]:
    """Returns the callable that the file of a name defines under that name.

    Raises:
        UnknownName: no such thing; the message gives the nearest name.
        UsageError: another package's module does not define it.
    """
    home = module(room, name)
    attribute = _stem(name)
    if name not in _own(room):
        attribute = _added(room)[name].attr or attribute
    if not hasattr(home, attribute):
        raise UsageError(f"{name}: {home.__name__} defines no {attribute}")
    return getattr(home, attribute)  # type: ignore[no-any-return]


def find_type(room: str, name: str) -> type[Any] | None:
    """Returns the class that lies beside the callable `name`, under its name in camel case, if there is one.

    Raises:
        UnknownName: no such thing; the message gives the nearest name.
    """
    return getattr(module(room, name), "".join(word.capitalize() for word in name.split("-")), None)


def build(room: str, name: str, /, *args: Any, **settings: Any) -> Any:
    """Returns what the callable found under `name` makes of the settings.

    Raises:
        UsageError: the settings do not fit; the message gives the signature.
    """
    return call(find(room, name), name, *args, **settings)


def call(builder: Callable[..., Any], name: str, /, *args: Any, **settings: Any) -> Any:
    """Returns `builder(*args, **settings)`, the arguments checked against its signature first."""
    signature = inspect.signature(builder)
    try:
        signature.bind(*args, **settings)
    except TypeError as error:
        raise UsageError(f"{name}: {error}; it takes {signature}") from None
    return builder(*args, **settings)


def call_with_text(builder: Callable[..., Any], name: str, /, *args: Any, **settings: Any) -> Any:
    """Returns `builder(*args, **settings)`, where settings may be text; the signature says of what kind.

    `[30, 9]`, `true` or `0.5` are read as JSON where they can be.

    Raises:
        UsageError: a setting is unknown, or not of its kind.
    """
    known = {key: _value(text) for key, text in settings.items()}
    try:
        return call(validate_call(builder), name, *args, **known)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def settings_of(pairs: Iterable[str], option: str = "--set") -> dict[str, str]:
    """Returns `key=value` texts as a mapping; `option` names them in errors.

    Raises:
        UsageError: one has no key or no equals sign, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals):
            raise UsageError(f"{option} {pair}: write key=value")
        if key in found:
            raise UsageError(f"{option} {pair}: {key} is set twice")
        found[key] = value
    return found


@lru_cache(maxsize=32)
def _own(room: str) -> frozenset[str]:
    """The names of the package's own files and folders in a room; a room holds one or the other."""
    entries = [
        each for each in files("facetrust").joinpath(*room.split(".")).iterdir() if each.name[0] != "_"
    ]
    folders = [each.name for each in entries if each.is_dir() and each.joinpath("__init__.py").is_file()]
    stems = folders or [each.name.removesuffix(".py") for each in entries if each.name.endswith(".py")]
    return frozenset(stem.replace("_", "-") for stem in stems)


@lru_cache(maxsize=32)
def _added(room: str) -> dict[str, EntryPoint]:
    """What other packages add to a room. A name of our own stays ours."""
    found = entry_points(group=f"facetrust.{room.rsplit('.', 1)[-1]}")
    return {each.name: each for each in found if each.name not in _own(room)}


def forget() -> None:
    """Forgets what was found, so that packages installed since are seen."""
    _own.cache_clear()
    _added.cache_clear()


def _kind(room: str) -> str:
    """What one thing of a room is called."""
    plural = room.rsplit(".", 1)[-1]
    return plural.removesuffix("es") if plural.endswith("sses") else plural.removesuffix("s")


def _stem(name: str) -> str:
    return name.replace("-", "_")


def _is_extra(error: ModuleNotFoundError, path: str) -> bool:
    """Whether a package that the module needs is missing, rather than the module itself."""
    return bool(error.name) and not f"{path}.".startswith(f"{error.name}.")


def _value(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
