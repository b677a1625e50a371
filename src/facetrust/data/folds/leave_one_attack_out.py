"""Each kind of attack in turn is reported, and all others train: how a model does on what it never saw."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facetrust.data.folds._dev import strangers
from facetrust.data.folds._fold import Fold, fold_of
from facetrust.errors import ProtocolError
from facetrust.records import Sample


def leave_one_attack_out(samples: Sequence[Sample], *, seed: int = 0) -> list[Fold]:
    """Returns a fold `to-<attack>` for each name in `attack`, such as a species or a generator.

    Bona fide rows and the other attacks train and are dev as their splits say; the other attacks' test rows
    are left out. Test are the bona fide test rows, and of the attack all rows, of whatever split, that share
    neither subject nor medium with a row that trains or is dev.

    Args:
        samples: rows of at least two attacks.
        seed: not used; nothing is drawn.

    Raises:
        ProtocolError: an attack has no name, there is one only, or a split lacks a label.
    """
    if unnamed := [row for row in samples if row.label == 1 and not _name(row)]:
        raise ProtocolError(
            f"leave-one-attack-out: {unnamed[0].path} names no attack; every attack needs one"
        )
    attacks = sorted({_name(row) for row in samples if row.label == 1})
    if not attacks:
        raise ProtocolError("leave-one-attack-out: there are no attacks; give rows that have some")
    if len(attacks) < 2:
        raise ProtocolError(f"leave-one-attack-out needs two attacks or more; found: {attacks[0]}")
    return [_without(attack, samples) for attack in attacks]


def _without(attack: str, samples: Sequence[Sample]) -> Fold:
    mine = [row for row in samples if row.label == 1 and _name(row) == attack]
    others = [row for row in samples if row.label == 0 or _name(row) != attack]
    train, dev = ([row for row in others if row.split == split] for split in ("train", "dev"))
    test = [row for row in others if row.split == "test" and row.label == 0]
    name = f"to-{re.sub(r'[^a-z0-9._]+', '-', attack)}"
    return fold_of(name, {"train": train, "dev": dev, "test": [*test, *strangers(mine, [*train, *dev])]})


def _name(row: Sample) -> str:
    return (row.attack or "").strip().lower()
