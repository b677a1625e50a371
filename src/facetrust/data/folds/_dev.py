"""The dev part of a source: its own, or drawn from its people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil

import numpy as np

from facetrust.errors import UsageError
from facetrust.records import Sample

Rows = list[Sample]


def taken_apart(rows: Sequence[Sample], *, seed: int, share: float) -> tuple[Rows, Rows]:
    """Returns the rows of one domain that train and those that are dev, nobody in both.

    Rows of one subject or one medium, directly or through others, stay together; a row with neither
    stands alone. Where the domain has dev rows, everyone with one is dev. Otherwise people are drawn
    from those who have train rows (from all, where nobody has) until dev holds `share` of each of
    their labels; never enough that a label is left without rows to train on.

    Raises:
        UsageError: the share does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"dev_share {share}: must lie between 0 and 1")
    people = sorted(_people(rows), key=lambda group: min(row.path for row in group))
    held = [any(row.split == "dev" for row in group) for group in people]
    chosen = held if any(held) else _drawn(people, seed, share)
    train = [row for group, is_dev in zip(people, chosen, strict=True) if not is_dev for row in group]
    return train, [row for group, is_dev in zip(people, chosen, strict=True) if is_dev for row in group]


def strangers(rows: Iterable[Sample], others: Iterable[Sample]) -> Rows:
    """Returns the rows that share neither subject nor medium with the others."""
    known = {key for row in others for key in _keys(row)}
    return [row for row in rows if known.isdisjoint(_keys(row))]


def _drawn(people: list[Rows], seed: int, share: float) -> list[bool]:
    """Returns who is drawn for dev."""
    training = [any(row.split == "train" for row in group) for group in people]
    counts = [Counter(row.label for row in group) for group in people]
    free = [at for at, trains in enumerate(training) if trains or not any(training)]
    left = sum((counts[at] for at in free), Counter[int]())
    wanted = Counter({label: ceil(share * rows) for label, rows in left.items()})
    chosen = [False] * len(people)
    for at in np.random.default_rng(seed).permutation(free).tolist():
        mine = counts[at]
        if any(wanted[label] > 0 for label in mine) and all(left[label] > mine[label] for label in mine):
            chosen[at] = True
            left -= mine
            wanted.subtract(mine)
    return chosen


def _people(rows: Sequence[Sample]) -> list[Rows]:
    """Returns the rows in groups that share a subject or a medium, by joining groups as links appear."""
    group_of: dict[tuple[str, str], Rows] = {}
    groups: dict[int, Rows] = {}
    for row in rows:
        keys = list(_keys(row))
        linked = {id(group): group for key in keys if (group := group_of.get(key)) is not None}
        joined = max(linked.values(), key=len, default=[])
        for group in linked.values():
            if group is not joined:
                del groups[id(group)]
                joined += group
                group_of.update((key, joined) for member in group for key in _keys(member))
        joined.append(row)
        groups[id(joined)] = joined
        group_of.update(dict.fromkeys(keys, joined))
    return list(groups.values())


def _keys(row: Sample) -> Iterator[tuple[str, str]]:
    # Names are compared without regard to case, for lists of the same people differ in it.
    for kind, name in (("subject", row.subject), ("media", row.media)):
        if name:
            yield kind, name.casefold()
