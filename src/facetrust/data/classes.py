"""Classes of masks are known by their names: an index of one data set is brought to another's by name.

Where one data set draws finer lines than another, classes are merged, many to one, also by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UsageError
from facetrust.imaging import Pixels

Merge = Mapping[str, Sequence[str]]  # A class, and those that become it; all others keep their names.

IGNORED = 255  # Stands in a mask for pixels that are not measured.
LEFT_OUT = "ignored"  # The name to merge classes under whose pixels are not measured.


def merge_of(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Returns what texts such as `face=skin,neck` say: a class, and those that become it.

    Raises:
        UsageError: a text of another form, or a class that is named twice.
    """
    merge: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, mark, members = text.partition("=")
        found = tuple(member.strip() for member in members.split(","))
        if not mark or not name.strip() or not all(found):
            raise UsageError(f"{text!r}: say NAME=CLASS,CLASS, such as face=skin,neck")
        merge[name.strip()] = merge.get(name.strip(), ()) + found
    every = [member for members in merge.values() for member in members]
    if twice := sorted({member for member in every if every.count(member) > 1}):
        raise UsageError(f"class {twice[0]!r} is merged twice; name it once")
    return merge


def merged_names(names: Sequence[str], merge: Merge) -> tuple[str, ...]:
    """Returns what classes are called once they are merged, each once, in the order in which they first come.

    Raises:
        UsageError: one of them is to be left out, which only a data set's can be.
    """
    found = tuple(dict.fromkeys(_becomes(merge).get(name, name) for name in names))
    if LEFT_OUT in found:
        lost = next(name for name in names if _becomes(merge).get(name) == LEFT_OUT)
        raise UsageError(f"class {lost!r} is one of the network's answers, and cannot be {LEFT_OUT}")
    return found


def merged_answer(answer: NDArray[Any], names: Sequence[str], merge: Merge) -> NDArray[Any]:
    """Returns the likeliest of the classes (C, h, w) that become one, for each of `merged_names` (M, h, w).

    So the likeliest merged class is the one that the likeliest class becomes.
    """
    wanted = merged_names(names, merge)
    members: dict[str, list[int]] = {name: [] for name in wanted}
    for index, name in enumerate(names):
        members[_becomes(merge).get(name, name)].append(index)
    return np.stack([answer[members[name]].max(0) for name in wanted])


def converted(
    mask: Pixels, names: Sequence[str], wanted: Sequence[str], merge: Merge | None = None
) -> Pixels:
    """Returns a mask of indices of `names` as one of indices of `wanted`, of the same shape.

    A name that the mask does not use need not be among the wanted. Classes merged under `LEFT_OUT` become
    `IGNORED`.

    Raises:
        UsageError: the mask uses an index that has no name, or a class that is not among the wanted.
    """
    if tuple(names) == tuple(wanted) and not merge:
        return mask
    becomes = _becomes(merge or {})
    table = _table(tuple(becomes.get(name, name) for name in names), tuple(wanted))
    used = np.unique(mask)
    if (lost := used[table[used] < 0]).size:
        index = int(lost[0])
        name = f"class {names[index]!r}" if index < len(names) else f"index {index}, which has no name,"
        raise UsageError(f"{name} is none of {', '.join(wanted)}; name it too, or leave the data set out")
    return np.asarray(table[mask], dtype=np.uint8)


def _becomes(merge: Merge) -> dict[str, str]:
    return {member: name for name, members in merge.items() for member in members}


@lru_cache(maxsize=32)
def _table(names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """The new index of each old one; -1 where there is none."""
    table = np.full(256, -1, np.int16)
    for index, name in enumerate(names):
        if name == LEFT_OUT or name in wanted:
            table[index] = IGNORED if name == LEFT_OUT else wanted.index(name)
    return table
