"""API keys: a file of their hashes, which scope each opens, and whose request it is."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from facetrust.errors import InputError, UsageError
from facetrust.records import Record, write_text
from facetrust.serve.refusal import Refusal

Scope = Literal["check", "gallery"]
SCOPES: tuple[Scope, ...] = ("check", "gallery")

_BYTES = 32  # Of a key, drawn at random, so that one hash of it is enough.
_PREFIX = "facetrust_"  # By which a key that was published by mistake is found.
_LONGEST = 64  # Characters of a name.
_BEARER = {"WWW-Authenticate": "Bearer"}


class UnknownKey(Refusal):
    """A key was given that is in no file."""


class Key(Record):
    """A key as it is kept: what it is called, what it opens, and its SHA-256."""

    name: str
    scopes: tuple[Scope, ...]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class KeyFile(Record):
    """All keys of a service; a file of JSON that its owner alone may read."""

    keys: tuple[Key, ...] = ()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Returns the keys in a file.

    Raises:
        InputError: it is missing, or is no file of keys.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise InputError(f"{path}: the API keys cannot be read ({error.strerror or error})") from None
    except ValidationError:
        raise InputError(f"{path}: is no file of API keys; facetrust keys add makes one") from None


def add_key(path: Path, name: str, scopes: tuple[Scope, ...]) -> str:
    """Returns a new key, which is shown this once; the file, made if there is none, holds its hash.

    Raises:
        UsageError: there is a key of that name, no scope, or the name is empty, long or not printable.
        InputError: the file is no file of keys.
    """
    if not name.isprintable() or not 1 <= len(name) <= _LONGEST:
        raise UsageError(f"{name!r}: a key's name has 1 to {_LONGEST} printable characters")
    if not scopes:
        raise UsageError(f"{name}: a key opens something; give a scope: {', '.join(SCOPES)}")
    keys = read_keys(path) if path.exists() else ()
    if any(key.name == name for key in keys):
        raise UsageError(f"{name}: there is a key of that name; remove it first, or take another name")
    made = _PREFIX + secrets.token_urlsafe(_BYTES)
    _write(path, (*keys, Key(name=name, scopes=tuple(dict.fromkeys(scopes)), sha256=_hash(made))))
    return made


def remove_key(path: Path, name: str) -> None:
    """Takes a key out of the file; services that run refuse it from the next request on.

    Raises:
        UsageError: there is none of that name.
        InputError: the file is no file of keys.
    """
    keys = read_keys(path)
    kept = tuple(key for key in keys if key.name != name)
    if len(kept) == len(keys):
        raise UsageError(f"{name}: no key of that name is in {path}")
    _write(path, kept)


class Keyring:
    """Says whose key a request brings. Reads the file anew whenever it changed; safe from several threads.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._keys = read_keys(path)
        self._read = self._stamp()

    def client(self, authorization: str | None, scope: Scope | None) -> str:
        """Returns the name of the key in a header `Authorization: Bearer KEY`; any key opens scope None.

        Every hash is compared, each in constant time, so that the time taken tells nothing of a key.

        Raises:
            UnknownKey: it is in no file (401).
            Refusal: no key (401), or one that does not open this scope (403).
        """
        kind, _, given = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not given.strip():
            raise Refusal(401, "an API key is needed: Authorization: Bearer KEY", _BEARER)
        digest = _hash(given.strip())
        found = [key for key in self._current() if hmac.compare_digest(key.sha256, digest)]
        if not found:
            raise UnknownKey(401, "this API key is not known", _BEARER)
        if scope is not None and scope not in found[0].scopes:
            raise Refusal(403, f"this API key does not open the scope {scope}")
        return found[0].name

    def _current(self) -> tuple[Key, ...]:
        with self._lock:
            try:
                if (stamp := self._stamp()) != self._read:
                    self._keys, self._read = read_keys(self._path), stamp
            except InputError:
                raise Refusal(503, "the API keys cannot be read; nobody is let in") from None
            return self._keys

    def _stamp(self) -> tuple[int, int, int]:
        try:
            about = self._path.stat()
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}") from None
        return about.st_mtime_ns, about.st_size, about.st_ino


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    write_text(path, KeyFile(keys=keys).model_dump_json(indent=2) + "\n")
    path.chmod(0o600)
