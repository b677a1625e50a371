"""Where templates are kept: one small interface, behind it a SQLite file or a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import GalleryError
from facetrust.records import Record
from facetrust.runtime.gallery.cipher import key_of
from facetrust.runtime.model import Model

Vectors = NDArray[np.float32]

_URLS = ("postgresql://", "postgres://")


class Maker(Record):
    """The model that all templates of a gallery come from."""

    model: str
    fingerprint: str
    dimensions: int


class Nearest(NamedTuple):
    """Whose template is nearest, and its cosine with what was looked for."""

    name: str
    score: float


class Store(Protocol):
    """Keeps templates by name. What `add` and `remove` return from is on the disk."""

    place: str
    maker: Maker
    encrypted: bool

    def add(self, name: str, vectors: Vectors) -> int:
        """Keeps templates (n, d) of unit length, all or none; returns how many the person has then."""

    def remove(self, name: str) -> int:
        """Deletes a person; returns how many templates there were, 0 of one who is not there."""

    def counts(self) -> dict[str, int]:
        """Returns name → number of templates, in the order of the names."""

    def totals(self) -> tuple[int, int]:
        """Returns the numbers of people and of templates."""

    def nearest(self, vectors: Vectors) -> list[Nearest | None]:
        """Returns the nearest template of each of the vectors (n, d); None in an empty gallery."""

    def size(self) -> int:
        """Returns the bytes that it takes on disk."""

    def close(self) -> None:
        """Lets go of the file or the connection."""


def shown_place(place: str | Path) -> str:
    """Returns a gallery's place as errors name it: a URL without its password."""
    if not is_url(place):
        return str(place)
    parts = urlsplit(str(place))
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_url(place: str | Path) -> bool:
    """Whether a gallery is a PostgreSQL database, named by its URL."""
    return isinstance(place, str) and place.startswith(_URLS)


def open_store(
    place: str | Path, *, key: str | Path | bytes | None = None, maker: Maker | None = None
) -> Store | None:
    """Returns an open gallery; where there is none yet, an empty one of a given maker, or None without.

    Args:
        place: a file, or the URL of a PostgreSQL database (`postgresql://…`).
        key: what encrypts a file's templates and names, see `key_of`.

    Raises:
        GalleryError: no gallery, damaged, locked, or the key does not fit.
        MissingExtra: the package that it takes is not installed.
    """
    secret = key_of(key)
    if is_url(place):
        from facetrust.runtime.gallery import postgres

        if secret is not None:
            raise GalleryError(
                f"{shown_place(place)}: a PostgreSQL gallery takes no key, for its server compares templates"
            )
        return postgres.open_gallery(str(place), maker=maker)
    from facetrust.runtime.gallery import sqlite

    return sqlite.open_gallery(Path(place), key=secret, maker=maker)


def maker_of(model: Model, dimensions: int) -> Maker:
    """Returns what a gallery remembers of a model."""
    return Maker(model=model.name, fingerprint=model.fingerprint, dimensions=dimensions)


def check_made_by(store: Store, model: Model) -> None:
    """Checks that a gallery's templates come from a model.

    Raises:
        GalleryError: they come from another one, or from other weights or preprocessing of that name.
    """
    if store.maker.fingerprint != model.fingerprint:
        other = (
            "other weights or preprocessing of that name" if store.maker.model == model.name else model.name
        )
        raise GalleryError(
            f"{store.place}: was made by {store.maker.model}, not by {other}; embeddings of two models "
            "cannot be compared: give that model, or enrol anew in another gallery"
        )


def check_width(store: Store, vectors: Vectors) -> None:
    """Checks that templates (n, d) are as wide as a gallery's, and finite.

    Raises:
        GalleryError: they are not.
    """
    if vectors.shape[1] != store.maker.dimensions:
        raise GalleryError(
            f"{store.place}: keeps embeddings of {store.maker.dimensions} numbers, not of {vectors.shape[1]}"
        )
    if not np.isfinite(vectors).all():
        raise GalleryError(f"{store.place}: keeps no embedding with a number that is not finite")
