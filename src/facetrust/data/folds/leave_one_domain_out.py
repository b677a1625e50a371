"""Each domain in turn is reported, and all others train: how a model does on data unlike any it knows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facetrust.data.folds._domains import crossed, rows_by_domain
from facetrust.data.folds._fold import Fold
from facetrust.errors import ProtocolError
from facetrust.records import Sample


def leave_one_domain_out(samples: Sequence[Sample], *, seed: int = 0, dev_share: float = 0.15) -> list[Fold]:
    """Returns a fold `to-<domain>` for each domain, with all its rows as test.

    The other domains train. Dev is their own dev rows; where a source has none, a share of its train
    subjects drawn under the seed. Whoever is reported trains in no other domain, and whoever is dev
    trains in none; a subject's name must be one person's in all sets. Simulated attacks on a domain's
    faces count as its own.

    Args:
        samples: rows of at least two domains.
        seed: seed of the draw.
        dev_share: share of a source's train rows that become dev.

    Raises:
        ProtocolError: a row has no domain, there is one domain only, or a split lacks a label.
        UsageError: the share does not lie between 0 and 1.
    """
    domains = rows_by_domain(samples)
    if nowhere := domains.get(""):
        raise ProtocolError(f"leave-one-domain-out: {nowhere[0].path} names no domain; every row needs one")
    if len(domains) < 2:
        raise ProtocolError(
            f"leave-one-domain-out needs two domains or more; found: {', '.join(domains) or 'none'}"
        )
    return [
        crossed(
            f"to-{re.sub(r'[^a-z0-9._]+', '-', target)}",
            [rows for name, rows in domains.items() if name != target],
            test,
            seed=seed,
            dev_share=dev_share,
        )
        for target, test in domains.items()
    ]
