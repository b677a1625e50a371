"""Who is trained on and who is asked about: what a split lets be measured of people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from facetrust.data.splits import people_of
from facetrust.records import Sample


class ClosedSet(NamedTuple):
    """What naming the people of test by those of train could reach.

    ceiling: the share of test rows whose person is in train, above which no accuracy can lie. strangers: the
    test's people who are not in train, with their test rows. known: how many of them are.
    """

    ceiling: float
    strangers: Counter[str]
    known: int


def closed_set(samples: Sequence[Sample]) -> ClosedSet | None:
    """Returns what a manifest of people lets be reached, or None where it is none.

    It is one where rows name their subjects and have at most one label, and there are train and test rows.
    """
    named = [row for row in samples if row.subject]
    if len({row.label for row in samples}) > 1 or len(named) < len(samples):
        return None
    trained = people_of(row for row in named if row.split == "train")
    asked = [row for row in named if row.split == "test"]
    if not trained or not asked:
        return None
    names = [row.subject or "" for row in asked]
    strangers = Counter(name for name in names if name.casefold() not in trained)
    return ClosedSet(1 - strangers.total() / len(asked), strangers, len(people_of(asked) & trained))


def met_again(samples: Iterable[Sample], trained_on: Iterable[Sample]) -> dict[str, tuple[int, int]]:
    """Returns the people of dev and test who are trained on elsewhere, sorted, with both numbers of rows.

    Names are compared without regard to case.
    """
    asked = Counter(row.subject.casefold() for row in samples if row.subject and row.split != "train")
    trained = Counter(row.subject.casefold() for row in trained_on if row.subject and row.split == "train")
    return {name: (asked[name], trained[name]) for name in sorted(asked.keys() & trained.keys())}
