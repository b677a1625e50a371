"""OULU-NPU's own four protocols: an unseen scene, unseen media of attack, an unseen phone, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from facetrust.data.folds._fold import Fold, fold_of
from facetrust.errors import ProtocolError, UsageError
from facetrust.records import Sample, Split

_NAME = "oulu-npu"
_VIDEO = re.compile(r"(?:.*/)?([1-6])_([1-3])_(\d{1,2})_([1-5])")
_USERS: dict[Split, range] = {"train": range(1, 21), "dev": range(21, 36), "test": range(36, 56)}
_PHONES = frozenset(range(1, 7))
# The last number of a video's name: 1 bona fide, 2 and 3 prints, 4 and 5 replays.
_ALL, _KNOWN, _UNSEEN = frozenset(range(1, 6)), frozenset({1, 2, 4}), frozenset({1, 3, 5})


class _Where(NamedTuple):
    """Which videos take part in a split, whatever the user."""

    phones: frozenset[int]
    sessions: frozenset[int]
    files: frozenset[int]


def oulu_npu(samples: Sequence[Sample], *, seed: int = 0, protocol: int = 0) -> list[Fold]:
    """Returns the folds p1, p2, p3-phone1 to p3-phone6 and p4-phone1 to p4-phone6.

    Users 1-20 train, 21-35 are dev, 36-55 are reported. Train and dev see sessions 1 and 2 in P1 and P4
    (test: 3), print 1 and replay 1 in P2 and P4 (test: print 2 and replay 2), and the five other phones
    in P3 and P4. What is not named is all there is.

    Args:
        samples: rows of the domain oulu-npu, whose media ends in Phone_Session_User_File as the videos'
            names do; others are left out.
        seed: not used; the lists are fixed.
        protocol: 1, 2, 3 or 4; 0 for all.

    Raises:
        ProtocolError: no such rows, a name of another form, or a split lacks a label.
        UsageError: there is no such protocol.

    Source: Boulkenafet et al., OULU-NPU (FG 2017), the table of its protocols.
    """
    if protocol not in range(5):
        raise UsageError(f"protocol {protocol}: use 1, 2, 3 or 4, or 0 for all")
    rows = [(row, _video(row)) for row in samples if (row.domain or "").strip().lower() == _NAME]
    if not rows:
        raise ProtocolError(f"oulu-npu: no rows of the domain {_NAME}; give its manifest")
    return [
        fold_of(name, _parts(rows, seen, unseen))
        for number, name, seen, unseen in _rounds()
        if protocol in (0, number)
    ]


def _rounds() -> Iterator[tuple[int, str, _Where, _Where]]:
    """Yields the protocol's number, the fold's name, what train and dev see, and what test shows."""
    early, late, any_time = frozenset({1, 2}), frozenset({3}), frozenset({1, 2, 3})
    yield 1, "p1", _Where(_PHONES, early, _ALL), _Where(_PHONES, late, _ALL)
    yield 2, "p2", _Where(_PHONES, any_time, _KNOWN), _Where(_PHONES, any_time, _UNSEEN)
    for phone in sorted(_PHONES):
        one = frozenset({phone})
        yield 3, f"p3-phone{phone}", _Where(_PHONES - one, any_time, _ALL), _Where(one, any_time, _ALL)
    for phone in sorted(_PHONES):
        one = frozenset({phone})
        yield 4, f"p4-phone{phone}", _Where(_PHONES - one, early, _KNOWN), _Where(one, late, _UNSEEN)


def _video(row: Sample) -> tuple[int, int, int, int]:
    match = _VIDEO.fullmatch(row.media or "")
    user = int(match[3]) if match else 0
    if not match or not any(user in users for users in _USERS.values()):
        raise ProtocolError(
            f"oulu-npu: {row.path}: media {row.media!r} is not of the form oulu-npu/Phone_Session_User_File"
        )
    return int(match[1]), int(match[2]), user, int(match[4])


def _parts(
    rows: Iterable[tuple[Sample, tuple[int, int, int, int]]], seen: _Where, unseen: _Where
) -> Mapping[Split, list[Sample]]:
    parts: dict[Split, list[Sample]] = {"train": [], "dev": [], "test": []}
    for row, (phone, session, user, file) in rows:
        split = next(name for name, users in _USERS.items() if user in users)
        where = unseen if split == "test" else seen
        if phone in where.phones and session in where.sessions and file in where.files:
            parts[split].append(row)
    return parts
