"""Cuts of a list of pictures into train, dev and test, whoever they show."""

from __future__ import annotations

from collections.abc import Sequence

from facetrust.data.folds._fold import Fold
from facetrust.errors import ProtocolError, UsageError
from facetrust.records import Sample, Split


def cut(name: str, rows: Sequence[Sample], *, train_share: float, dev_share: float) -> list[Fold]:
    """Returns one fold: of the rows in their order the first train, the next are dev and the last test.

    Its test people are to be named among the others, as reports do.

    Args:
        name: the fold's.
        rows: in the order in which they are cut.
        train_share: share of the rows that are not test.
        dev_share: share of these that become dev, from their end.

    Raises:
        UsageError: a share does not lie between 0 and 1.
        ProtocolError: a split would be empty.
    """
    for what, share in (("train_share", train_share), ("dev_share", dev_share)):
        if not 0 < share < 1:
            raise UsageError(f"{what} {share}: must lie between 0 and 1")
    learning = round(len(rows) * train_share)
    train = learning - round(learning * dev_share)
    if not 0 < train < learning < len(rows):
        raise ProtocolError(f"{name}: {len(rows)} rows are too few for train, dev and test")
    counts: dict[Split, int] = {"train": train, "dev": learning - train, "test": len(rows) - learning}
    splits = [split for split, count in counts.items() for _ in range(count)]
    placed = [row.model_copy(update={"split": split}) for row, split in zip(rows, splits, strict=True)]
    return [Fold(name, sorted(placed, key=lambda row: row.path), gallery=True)]
