"""Classes of masks are known by their names: an index of one data set is brought to another's by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from facetrust.errors import UsageError
from facetrust.imaging import Pixels


def converted(mask: Pixels, names: Sequence[str], wanted: Sequence[str]) -> Pixels:
    """Returns a mask of indices of `names` as one of indices of `wanted`, of the same shape.

    A name that the mask does not use need not be among the wanted.

    Raises:
        UsageError: the mask uses an index that has no name, or a class that is not among the wanted.
    """
    if tuple(names) == tuple(wanted):
        return mask
    table, used = _table(tuple(names), tuple(wanted)), np.unique(mask)
    if (lost := used[table[used] < 0]).size:
        index = int(lost[0])
        name = f"class {names[index]!r}" if index < len(names) else f"index {index}, which has no name,"
        raise UsageError(f"{name} is none of {', '.join(wanted)}; name it too, or leave the data set out")
    return np.asarray(table[mask], dtype=np.uint8)


@lru_cache(maxsize=32)
def _table(names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """The new index of each old one; -1 where there is none."""
    table = np.full(256, -1, np.int16)
    for index, name in enumerate(names):
        if name in wanted:
            table[index] = wanted.index(name)
    return table
