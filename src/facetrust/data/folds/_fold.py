"""A fold: rows with their splits in one round of a protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from facetrust.errors import ProtocolError
from facetrust.records import Sample, Split

_NEEDED = {0: "bona fide rows", 1: "attacks"}


class Fold(NamedTuple):
    """The name of a round and its rows, sorted by path, with the splits that they have in it.

    With `gallery`, the people of test are looked for among those of the other splits.
    """

    name: str
    samples: list[Sample]
    gallery: bool = False


def fold_of(name: str, parts: Mapping[Split, Sequence[Sample]]) -> Fold:
    """Returns the fold in which the rows of each part have that part's split.

    Raises:
        ProtocolError: a part has no bona fide rows or no attacks.
    """
    for split, rows in parts.items():
        labels = {row.label for row in rows}
        for label, needed in _NEEDED.items():
            if label not in labels:
                raise ProtocolError(f"fold {name}: no {needed} in {split}; give rows that have some")
    placed = [row.model_copy(update={"split": split}) for split, rows in parts.items() for row in rows]
    return Fold(name, sorted(placed, key=lambda row: row.path))
