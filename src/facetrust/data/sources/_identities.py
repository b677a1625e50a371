"""What the sources of deepfakes share: who is in a video, and splits in which nobody is met again.

A swapped face makes two people of one video. Whoever is linked by such videos, directly or through
others, is a chain; a split that is drawn keeps chains whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from facetrust.data.splits import assign
from facetrust.records import Sample, Split

_TRAIN_AND_DEV: dict[Split, float] = {"train": 0.8, "dev": 0.2}


class Shown(NamedTuple):
    """A video, whoever is in it or gave the face, and its split, or none where it is to be drawn."""

    video: Sample
    people: tuple[str, ...]
    split: Split | None = None


def chains(groups: Iterable[Iterable[str]]) -> dict[str, str]:
    """Returns each person's chain, named by the first of its people in the order of names.

    Args:
        groups: people who belong together, such as the two of a swap.
    """
    parent: dict[str, str] = {}

    def first(person: str) -> str:
        while parent[person] != person:
            parent[person] = parent[parent[person]]
            person = parent[person]
        return person

    for group in groups:
        tops = sorted({first(parent.setdefault(person, person)) for person in group})
        parent.update(dict.fromkeys(tops, tops[0]) if tops else {})
    return {person: first(person) for person in sorted(parent)}


def drawn(videos: Sequence[Shown], *, seed: int, shares: Mapping[Split, float] | None = None) -> list[Sample]:
    """Returns the videos, in their order, with their splits; those without are drawn by whole chains.

    Args:
        videos: of a chain, either all have a split or none.
        seed: seed of the draw.
        shares: as `splits.assign` takes them.
    """
    left = [shown for shown in videos if shown.split is None]
    chain = chains(shown.people for shown in left)
    # For the draw a chain is one person; the media holds nothing together but the video itself.
    rows = [shown.video.model_copy(update={"subject": chain[shown.people[0]]}) for shown in left]
    found = iter(assign(rows, seed=seed, shares=shares))
    return [shown.video.model_copy(update={"split": shown.split or next(found).split}) for shown in videos]


def apart_from_test(videos: Sequence[Shown], *, seed: int) -> list[Sample]:
    """Returns the test videos and those that show nobody of the test, in their order.

    Of the latter a fifth becomes dev, by whole chains; where all are linked, none does.
    """
    tested = {person for shown in videos if shown.split == "test" for person in shown.people}
    kept = [shown for shown in videos if shown.split == "test" or tested.isdisjoint(shown.people)]
    return drawn(kept, seed=seed, shares=_TRAIN_AND_DEV)
