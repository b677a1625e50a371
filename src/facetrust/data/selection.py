"""Which rows are used: those of some splits, of people who are trained on nowhere, of a few people."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from facetrust.data.manifest import Manifest
from facetrust.data.splits import check_split
from facetrust.errors import UsageError
from facetrust.records import Sample


class Selection(NamedTuple):
    """Which rows are wanted; by default all are.

    splits: rows of these only; of all, if none is named. apart_from: manifests whose people, those of
    their train split, are left out. people: how many of those that remain are drawn.
    """

    splits: Collection[str] = ()
    apart_from: Sequence[str | Path] = ()
    people: int | None = None


ALL = Selection()


class Selected(NamedTuple):
    """The rows in their order, and how many rows of how many people were left out by `apart_from`."""

    samples: list[Sample]
    rows_left_out: int = 0
    people_left_out: int = 0


def select(samples: Sequence[Sample], wanted: Selection, *, seed: int = 0) -> Selected:
    """Returns the wanted ones of the rows.

    A person is known by `subject`, which manifests share where they name people alike. A row without
    one cannot be left out by `apart_from`, and counts as a person of its own.

    Args:
        samples: the rows.
        wanted: the splits, the people to avoid, and how many are drawn; the order of these is that order.
        seed: decides which people are drawn. It does not matter who else is there: under one seed, more
            people include the fewer.

    Raises:
        UnknownName: no such split.
        UsageError: fewer than one person.
        ManifestError: a manifest to stay apart from cannot be used.
    """
    for split in wanted.splits:
        check_split(split)
    if wanted.people is not None and wanted.people < 1:
        raise UsageError(f"people={wanted.people}: one at least is needed")
    trained = {person for path in wanted.apart_from for person in _trained_on(path)}
    asked = [sample for sample in samples if not wanted.splits or sample.split in wanted.splits]
    avoided = {sample.subject for sample in asked} & trained
    kept = [sample for sample in asked if sample.subject not in avoided]
    drawn = kept if wanted.people is None else _of_some(kept, wanted.people, seed)
    return Selected(drawn, len(asked) - len(kept), len(avoided))


def _trained_on(path: str | Path) -> set[str]:
    rows = Manifest.read(path).samples()
    return {row.subject for row in rows if row.split == "train" and row.subject is not None}


def _of_some(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    people = {sample.subject or sample.path for sample in samples}
    drawn = sorted(people, key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest())[:count]
    chosen = set(drawn)
    return [sample for sample in samples if (sample.subject or sample.path) in chosen]
