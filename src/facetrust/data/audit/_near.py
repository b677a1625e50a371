"""Finds pictures that look the same without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging import Pixels

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

THUMB = 16
NEAREST = 6
ALIKE = 0.985  # Correlation of the thumbnails; re-encoding and scaling stay above it.
_CROWD = 64  # Rows of one hash that are compared with another's: blank pictures all share one.


def look_hash(image: Pixels) -> int:
    """Returns 64 bits, one per low frequency of the picture (H, W, 3): whether it lies above their median."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:9, :9].ravel()
    # The mean brightness is left out; of the other 80 the first 64 by ring are kept.
    low = low[_ORDER]
    return int(np.packbits(low > np.median(low)).view(">u8")[0])


_ORDER = np.argsort(np.add.outer(np.arange(9), np.arange(9)).ravel(), kind="stable")[1:65]


def thumbnail(image: Pixels) -> NDArray[np.float32]:
    """Returns the picture as (256,) float32 grey, mean 0 and length 1 (all 0 for a flat one)."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    values = grey.astype(np.float32).ravel()
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1.0)


def near_hashes(hashes: Hashes, *, nearest: int = NEAREST) -> Iterator[tuple[Rows, Rows]]:
    """Yields pairs (i, j), i < j, of distinct hashes that differ in at most `nearest` bits (7 or fewer).

    Of four quarters, one then differs in at most one bit; so only hashes that agree in a quarter, or
    there in all bits but one, are compared. Each pair comes once or more.
    """
    for part in range(4):
        quarter = ((hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(quarter, kind="stable")
        ranked = quarter[order]
        for flip in (0, *(1 << bit for bit in range(16))):
            first = np.searchsorted(ranked, quarter ^ flip, "left")
            count = np.searchsorted(ranked, quarter ^ flip, "right") - first
            left = np.repeat(np.arange(hashes.size), count)
            offset = np.arange(left.size) - np.repeat(np.cumsum(count) - count, count)
            right = order[np.repeat(first, count) + offset]
            left, right = left[left < right], right[left < right]
            close = _bits(hashes[left] ^ hashes[right]) <= nearest
            yield left[close], right[close]


def near_pairs(
    hashes: Hashes, thumbs: NDArray[np.float32], groups: NDArray[np.int64], *, nearest: int = NEAREST
) -> list[tuple[int, int]]:
    """Returns the pairs of rows of different groups that look the same, sorted.

    Args:
        hashes: (N,) of `look_hash`.
        thumbs: (N, 256) of `thumbnail`; they settle what the hashes suggest.
        groups: (N,) numbers; only pairs across groups count.
        nearest: bits by which two hashes may differ, at most 7.
    """
    unique, place = np.unique(hashes, return_inverse=True)
    members = [
        [int(row) for row in rows] for rows in np.split(np.argsort(place, kind="stable"), _starts(place))
    ]
    pairs = {(u, u) for u, rows in enumerate(members) if len(set(groups[rows].tolist())) > 1}
    for left, right in near_hashes(unique, nearest=nearest):
        pairs.update(zip(left.tolist(), right.tolist(), strict=True))
    found: set[tuple[int, int]] = set()
    for u, v in pairs:
        a, b = _some(members[u], groups), _some(members[v], groups)
        alike = (thumbs[a] @ thumbs[b].T >= ALIKE) & (groups[a][:, None] != groups[b][None, :])
        found.update((min(a[i], b[j]), max(a[i], b[j])) for i, j in np.argwhere(alike))
    return sorted(found)


def _starts(place: Rows) -> Rows:
    return np.cumsum(np.bincount(place))[:-1]


def _some(rows: list[int], groups: NDArray[np.int64]) -> list[int]:
    """At most `_CROWD` rows of each group."""
    taken: dict[int, list[int]] = {}
    for row in rows:
        group = taken.setdefault(int(groups[row]), [])
        if len(group) < _CROWD:
            group.append(row)
    return [row for group in taken.values() for row in group]


def _bits(values: Hashes) -> NDArray[np.uint8]:
    """How many bits are set in each value."""
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    return np.asarray(_SET[octets].sum(axis=1, dtype=np.uint8))


_SET = np.array([bin(octet).count("1") for octet in range(256)], dtype=np.uint8)
