"""Several domains at a time are reported, and all others train: other cameras, at a fraction of the runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facetrust.data.folds._domains import crossed, rows_by_domain
from facetrust.data.folds._fold import Fold
from facetrust.errors import ProtocolError, UsageError
from facetrust.records import Sample


def leave_domains_out(
    samples: Sequence[Sample], *, parts: int = 5, seed: int = 0, dev_share: float = 0.15
) -> list[Fold]:
    """Returns the folds `without-1`, `without-2`, ..., each with all rows of some domains as test.

    Every domain that has both labels is reported once; they are dealt out by a draw under the seed. A domain
    of one label only trains. Who trains and who is dev is settled as by `leave_one_domain_out`; a domain
    that has dev rows alone never trains. Rows whose own split is test are left out, so that they stay unseen.

    Args:
        samples: rows of at least `parts` domains with both labels.
        parts: number of folds.
        seed: seed of the draws.
        dev_share: share of a source's train rows that become dev, where it has none.

    Raises:
        ProtocolError: a row has no domain, there are too few of them, or a split lacks a label.
        UsageError: fewer than two folds, or the share does not lie between 0 and 1.
    """
    if parts < 2:
        raise UsageError(f"parts={parts}: two are the least, so that a domain trains that is not reported")
    domains = rows_by_domain(row for row in samples if row.split != "test")
    if nowhere := domains.get(""):
        raise ProtocolError(f"leave-domains-out: {nowhere[0].path} names no domain; every row needs one")
    whole = [name for name, rows in domains.items() if {row.label for row in rows} >= {0, 1}]
    if len(whole) < parts:
        known = ", ".join(whole) or "none"
        raise ProtocolError(
            f"leave-domains-out: {parts} folds need as many domains with both labels, and one with no "
            f"attacks or no live faces is not reported; found: {known}"
        )
    dealt = [str(name) for name in np.random.default_rng(seed).permutation(whole)]
    return [
        crossed(
            f"without-{number + 1}",
            [rows for name, rows in domains.items() if name not in dealt[number::parts]],
            [row for name in dealt[number::parts] for row in domains[name]],
            seed=seed,
            dev_share=dev_share,
        )
        for number in range(parts)
    ]
