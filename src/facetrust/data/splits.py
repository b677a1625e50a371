"""Who trains, who fits the threshold, who is reported: no person and no recording in two splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np

from facetrust.errors import UnknownName, UsageError
from facetrust.records import Sample, Split

SPLITS: tuple[Split, ...] = get_args(Split)
SHARES: dict[Split, float] = {"train": 0.7, "dev": 0.15, "test": 0.15}


def check_split(name: str) -> None:
    """Checks a split's name.

    Raises:
        UnknownName: there is no such split.
    """
    if name not in SPLITS:
        raise UnknownName("split", name, SPLITS)


class Shared(NamedTuple):
    """A subject or a media that lies in more than one split, and the rows that show it."""

    column: str
    value: str
    splits: tuple[Split, ...]
    paths: tuple[str, ...]


def assign(
    samples: Sequence[Sample], *, seed: int = 0, shares: Mapping[Split, float] | None = None
) -> list[Sample]:
    """Returns the samples, in their order, with splits drawn under a seed.

    Rows that share a subject or a media, directly or through others, stay together; a row with
    neither stands alone. Both labels are spread by the shares as evenly as such groups allow. The
    draw depends on the rows and the seed, not on the rows' order.

    Args:
        samples: the rows; their splits are overwritten.
        seed: seed of the draw.
        shares: how much of the rows each split is to have; 70, 15 and 15 % if none are given.

    Raises:
        UsageError: a share is negative, all are zero, or a split is none of train, dev and test.
    """
    wanted = _wanted(SHARES if shares is None else shares)
    groups = sorted(_groups(samples), key=lambda rows: min(samples[row].path for row in rows))
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    # Large groups first: small ones can still even out what they leave uneven.
    order.sort(key=lambda index: -len(groups[index]))
    counts = np.array(
        [[sum(samples[row].label == label for row in rows) for label in (0, 1)] for rows in groups]
    )
    total = np.maximum(counts.sum(axis=0, initial=0), 1)
    names = list(wanted)
    goal = np.outer(list(wanted.values()), np.ones(2))
    have = np.zeros_like(goal)
    chosen: dict[int, Split] = {}
    for index in order:
        part = counts[index] / total
        # How much nearer to the goal the group brings each split; the emptier one wins a tie.
        gain = ((goal - have) / goal * part).sum(axis=1)
        best = int(np.argmax(gain))
        have[best] += part
        chosen.update(dict.fromkeys(groups[index], names[best]))
    return [sample.model_copy(update={"split": chosen[row]}) for row, sample in enumerate(samples)]


def people_of(samples: Iterable[Sample]) -> set[str]:
    """Returns the subjects of rows without regard to case, for lists of the same people differ in it."""
    return {sample.subject.casefold() for sample in samples if sample.subject}


def shared(samples: Iterable[Sample]) -> list[Shared]:
    """Returns the subjects and media that lie in more than one split, by column and name.

    Names are compared without regard to case, for lists of the same people differ in it.
    """
    seen: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        for key in _keys(sample):
            seen.setdefault(key, []).append(sample)
    found = []
    for (column, _), rows in sorted(seen.items(), key=lambda item: (item[0][0] != "subject", item[0][1])):
        splits = tuple(split for split in SPLITS if any(row.split == split for row in rows))
        if len(splits) > 1:
            paths = tuple(sorted(row.path for row in rows))
            found.append(Shared(column, str(getattr(rows[0], column)), splits, paths))
    return found


def _wanted(shares: Mapping[Split, float]) -> dict[Split, float]:
    if unknown := [name for name in shares if name not in SPLITS]:
        raise UsageError(f"split {unknown[0]!r} is not one of {', '.join(SPLITS)}")
    total = sum(shares.values())
    if total <= 0 or min(shares.values()) < 0:
        raise UsageError(f"the shares of the splits must not be negative nor all zero; got {dict(shares)}")
    return {name: shares[name] / total for name in SPLITS if shares.get(name)}


def _keys(sample: Sample) -> list[tuple[str, str]]:
    pairs = (("subject", sample.subject), ("media", sample.media))
    return [(column, value.casefold()) for column, value in pairs if value]


def _groups(samples: Sequence[Sample]) -> list[list[int]]:
    """Row numbers that must stay together: a union-find over subjects and media."""
    parent = list(range(len(samples)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for row, sample in enumerate(samples):
        for key in _keys(sample):
            parent[root(row)] = root(first.setdefault(key, row))
    together: dict[int, list[int]] = {}
    for row in range(len(samples)):
        together.setdefault(root(row), []).append(row)
    return list(together.values())
