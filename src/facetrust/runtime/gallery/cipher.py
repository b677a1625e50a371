"""What a gallery's file holds, in the clear or sealed by AES-256-GCM with a key that is kept elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Protocol

from facetrust.errors import GalleryError, MissingExtra

VARIABLE = "FACETRUST_GALLERY_KEY"
_BYTES = 32
_NONCE = 12  # Bytes; drawn at random, which AES-GCM bears for 2^32 templates of one key.


class Cipher(Protocol):
    """Seals what is written and opens what is read; `about` says what it is, and must be the same then."""

    def seal(self, data: bytes, about: bytes) -> bytes:
        """Returns what is written."""

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Returns what was sealed; ValueError if it was altered, moved, or sealed by another key."""

    def digest(self, name: str) -> bytes:
        """Returns what a person is found by."""


class Plain:
    """Writes everything as it is."""

    def seal(self, data: bytes, about: bytes) -> bytes:
        """Returns the data."""
        return data

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Returns the data."""
        return sealed

    def digest(self, name: str) -> bytes:
        """Returns the name."""
        return name.encode()


class AesGcm:
    """Authenticated encryption by the cryptography package, each value with a nonce of its own.

    People are found by HMAC-SHA256 of their names, under a key derived from the gallery's, so that the file
    tells no name.

    Raises:
        MissingExtra: the package is not installed.
    """

    def __init__(self, key: bytes) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError:
            raise MissingExtra("cryptography", "gallery") from None
        self._box = AESGCM(key)
        self._names = hmac.digest(key, b"facetrust gallery: names", hashlib.sha256)

    def seal(self, data: bytes, about: bytes) -> bytes:
        """Returns nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._box.encrypt(nonce, data, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Returns what was sealed.

        Raises:
            ValueError: it was altered, belongs elsewhere, or was sealed by another key.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return self._box.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except InvalidTag:
            raise ValueError("does not open by this key") from None

    def digest(self, name: str) -> bytes:
        """Returns the name's HMAC."""
        return hmac.digest(self._names, name.encode(), hashlib.sha256)


def key_of(given: str | Path | bytes | None) -> bytes | None:
    """Returns a gallery's key: 32 bytes, or from a file, or the environment, of 64 hexadecimal digits.

    Without one given, `FACETRUST_GALLERY_KEY` is read; None where that is not set either.

    Raises:
        GalleryError: the file cannot be read, or it is no such key.
    """
    if isinstance(given, bytes):
        if len(given) != _BYTES:
            raise GalleryError(f"the gallery's key has {len(given)} bytes; {_BYTES} are needed")
        return given
    if given is None:
        text, source = os.environ.get(VARIABLE, ""), VARIABLE
        if not text:
            return None
    else:
        source = str(given)
        try:
            with Path(given).open("rb") as file:
                text = file.read(4 * _BYTES).decode("ascii", "replace")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no file can have this name"
            raise GalleryError(f"{source}: the gallery's key cannot be read ({why})") from None
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise GalleryError(
            f"{source}: has not {2 * _BYTES} hexadecimal digits; make a key with: openssl rand -hex {_BYTES}"
        )
    return key
