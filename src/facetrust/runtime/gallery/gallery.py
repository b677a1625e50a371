"""People are enrolled, found again and forgotten, in a file or a database of templates."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facetrust.errors import GalleryError, InputError, UsageError
from facetrust.records import Enrolment, GallerySummary, Identification, Match
from facetrust.runtime.gallery.store import (
    Maker,
    Nearest,
    Store,
    check_made_by,
    maker_of,
    open_store,
    shown_place,
)
from facetrust.runtime.verifier import ADVISORY, NO_FACE, Subject, Verifier

_LONGEST = 200  # Characters of a name.


class Gallery:
    """A gallery and, from the first picture on, the model and detector that it is used with.

    To be closed, or used in a `with` statement. May be called from several threads.

    Args:
        place: a file, or the URL of a PostgreSQL database (`postgresql://…`). `enroll` makes it.
        key: what encrypts a file: 32 bytes, or the name of a file with 64 hexadecimal digits; the variable
            `FACETRUST_GALLERY_KEY` without. It is stored nowhere.
        verifier: an open one; otherwise one is opened with `settings`, which are `Verifier`'s.

    Raises:
        UsageError: both a verifier and settings.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        key: str | Path | bytes | None = None,
        verifier: Verifier | None = None,
        **settings: Any,
    ) -> None:
        if verifier is not None and settings:
            raise UsageError(f"a verifier is open already; it takes no {', '.join(settings)}")
        self._place = place
        self._key = key
        self._given = verifier
        self._settings = settings
        self._store: Store | None = None

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file or the connection."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def made(self) -> bool:
        """Whether there is one yet; `enroll` makes it.

        Raises:
            GalleryError: it cannot be opened.
        """
        return self._found() is not None

    @cached_property
    def verifier(self) -> Verifier:
        """The model that compares, the detector, and the questions about liveness."""
        return self._given or Verifier(**self._settings)

    def enroll(self, name: str, pictures: Iterable[Any] | str | Path) -> Enrolment:
        """Returns what was kept: a template of the one face in each picture, of all pictures or of none.

        When it returns, the templates are on the disk. Pictures are not kept.

        Args:
            name: whose face it is: up to 200 characters, no control characters, no slashes.
            pictures: one or several of what `Checker.check` takes.

        Raises:
            InputError: the name cannot be one, or a picture shows no face, several, a poor one or an attack.
            GalleryError: the gallery cannot be used, or was made by another model.
        """
        name = checked_name(name)
        sources = [pictures] if isinstance(pictures, (str, bytes, Path)) else list(pictures)
        if not sources:
            raise UsageError(f"{name}: no picture to enrol")
        store = self._found()
        if store is not None:  # Before pictures are judged in vain.
            check_made_by(store, self.verifier.model)
        vectors = []
        for source in sources:
            side, vector = self.verifier.only_subject(source)
            if side.reason or vector is None:
                detail = f" ({side.detail})" if side.detail else ""
                raise InputError(
                    f"{side.source}: {side.reason}{detail}; a picture of {name} must show one good face, "
                    "and none was enrolled"
                )
            vectors.append(vector)
        templates = np.stack(vectors)
        store = self._found(maker_of(self.verifier.model, templates.shape[1])) or self._opened()
        check_made_by(store, self.verifier.model)  # Another program may have been quicker to make it.
        return Enrolment(name=name, added=len(templates), templates=store.add(name, templates))

    def identify(self, source: Any) -> Identification:
        """Returns who every face in a picture or video is; unknown, where no template reaches the threshold.

        Raises:
            ImageError: the source cannot be read.
            GalleryError: the gallery cannot be used, or was made by another model.
        """
        store = self._opened()
        check_made_by(store, self.verifier.model)
        limit = self.verifier.limit()
        report, subjects = self.verifier.subjects(source)
        vectors = [each.vector for each in subjects if each.vector is not None]
        found = iter(store.nearest(np.stack(vectors)) if vectors else ())
        advisory = self.verifier.model.card.advisory
        matches = tuple(
            _match(each, next(found) if each.vector is not None else None, limit.value, advisory=advisory)
            for each in subjects
        )
        reason = None if matches else NO_FACE
        if report.left_out:
            reason = f"too many faces: {report.left_out} not judged"
        people, templates = store.totals()
        return Identification(
            source=report.source,
            matches=matches,
            reason=reason,
            people=people,
            templates=templates,
            **self.verifier.facts(limit),
        )

    def forget(self, name: str) -> int:
        """Returns how many templates of a person were deleted; see `Store.remove`.

        Raises:
            GalleryError: nobody of that name is in it, or it cannot be written.
        """
        store, name = self._opened(), checked_name(name)
        gone = store.remove(name)
        if not gone:
            raise GalleryError(f"{store.place}: nobody named {name!r} is in it")
        return gone

    def summary(self) -> GallerySummary:
        """Returns who is in it, by which model, and how large it is.

        Raises:
            GalleryError: it cannot be read.
        """
        store = self._opened()
        people = store.counts()
        return GallerySummary(
            place=store.place,
            model=store.maker.model,
            dimensions=store.maker.dimensions,
            people=people,
            templates=sum(people.values()),
            encrypted=store.encrypted,
            bytes=store.size(),
        )

    def _opened(self) -> Store:
        """The gallery, which must be there."""
        store = self._found()
        if store is None:
            raise GalleryError(f"{shown_place(self._place)}: no such gallery; facetrust enroll makes one")
        return store

    def _found(self, maker: Maker | None = None) -> Store | None:
        """The gallery, None where there is none; with a maker it is made then."""
        if self._store is None:
            self._store = open_store(self._place, key=self._key, maker=maker)
        return self._store


def checked_name(name: str) -> str:
    """Returns a person's name as it is kept: composed (NFC), without blanks around it.

    Raises:
        InputError: it is empty, longer than 200 characters, or holds a control character or a slash.
    """
    kept = unicodedata.normalize("NFC", name).strip()
    if not kept or len(kept) > _LONGEST:
        raise InputError(f"{kept[:20]!r}: a name has 1 to {_LONGEST} characters; this one has {len(kept)}")
    if any(unicodedata.category(each)[0] == "C" for each in kept):
        raise InputError(f"{kept!r}: a name has no control characters")
    if "/" in kept or "\\" in kept:
        raise InputError(f"{kept!r}: a name has no slashes; give the name first, then the pictures")
    return kept


def enroll(
    name: str,
    pictures: Iterable[Any] | str | Path,
    *,
    gallery: str | Path,
    key: str | Path | bytes | None = None,
    **settings: Any,
) -> Enrolment:
    """Returns what was kept of a person: `Gallery(gallery, key=key, **settings).enroll(name, pictures)`."""
    with Gallery(gallery, key=key, **settings) as opened:
        return opened.enroll(name, pictures)


def identify(
    source: Any, *, gallery: str | Path, key: str | Path | bytes | None = None, **settings: Any
) -> Identification:
    """Returns who every face is: `Gallery(gallery, key=key, **settings).identify(source)`."""
    with Gallery(gallery, key=key, **settings) as opened:
        return opened.identify(source)


def forget(name: str, *, gallery: str | Path, key: str | Path | bytes | None = None) -> int:
    """Returns how many templates were deleted: `Gallery(gallery, key=key).forget(name)`; needs no model."""
    with Gallery(gallery, key=key) as opened:
        return opened.forget(name)


def _match(subject: Subject, nearest: Nearest | None, threshold: float, *, advisory: bool) -> Match:
    """Who a face is. Of somebody unknown, the nearest person's name is not said."""
    score = None if nearest is None else min(1.0, max(-1.0, nearest.score))
    reason = subject.reason or (ADVISORY if advisory else None)
    if reason is not None:
        return Match(face=subject.face, decision=None, score=score, reason=reason, detail=subject.detail)
    if nearest is None or score is None or score < threshold:
        return Match(face=subject.face, decision="unknown", score=score)
    return Match(face=subject.face, decision="known", name=nearest.name, score=score)
