"""Which domains a protocol names, and how one is kept for the test while others train."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from facetrust.data.folds._dev import strangers, taken_apart
from facetrust.data.folds._fold import Fold, fold_of
from facetrust.data.folds._frames import thinned
from facetrust.errors import ProtocolError
from facetrust.records import Sample

MCIO = {"m": "msu-mfsd", "c": "casia-fasd", "i": "replay-attack", "o": "oulu-npu"}
WCS = {"w": "wmca", "c": "casia-cefa", "s": "casia-surf"}
CELEBA = "celeba-spoof"
_SIMULATED = "-simulated"
# The sets whose makers give a development part, which FLIP's lists leave out.
_WITH_DEV = {"replay-attack", "oulu-npu"}


def domain_of(row: Sample) -> str:
    """Returns the row's domain in lower case, without the ending of simulated attacks; "" for none."""
    return (row.domain or "").strip().lower().removesuffix(_SIMULATED)


def rows_by_domain(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Returns the rows of each domain, sorted by name; a domain's simulated attacks are among its rows."""
    found: dict[str, list[Sample]] = {}
    for row in samples:
        found.setdefault(domain_of(row), []).append(row)
    return dict(sorted(found.items()))


def needed(samples: Iterable[Sample], names: Collection[str], protocol: str) -> dict[str, list[Sample]]:
    """Returns the rows of each named domain.

    Raises:
        ProtocolError: one of them has no rows.
    """
    found = rows_by_domain(samples)
    if missing := [name for name in names if name not in found]:
        known = ", ".join(name for name in found if name) or "none"
        raise ProtocolError(f"{protocol} needs rows of the domain {missing[0]}; the manifests have: {known}")
    return {name: found[name] for name in names}


def reported(rows: Iterable[Sample]) -> list[Sample]:
    """Returns a target's rows as FLIP reports them: official train and test, no simulated attacks."""
    return [
        row
        for row in rows
        if not (row.domain or "").strip().lower().endswith(_SIMULATED)
        and not (row.split == "dev" and domain_of(row) in _WITH_DEV)
    ]


def crossed(
    name: str,
    sources: Iterable[Sequence[Sample]],
    test: Sequence[Sample],
    *,
    seed: int,
    dev_share: float,
    frames: tuple[int, int] = (0, 0),
) -> Fold:
    """Returns the fold that trains on some domains and reports another.

    A subject's name is one person's in every set, as the audit takes it. Rows of the sources that show
    somebody who is reported are left out, and so are rows to train on that show somebody who is dev.

    Args:
        name: the fold's name.
        sources: the rows of each source; all of them train, but for its people in dev.
        test: the rows that are reported.
        seed: seed of the draw, where a source has no dev rows.
        dev_share: share of a source's train rows that the draw is to reach.
        frames: frames per video in train, and in dev and test; 0 for all.

    Raises:
        ProtocolError: train, dev or test lacks a label.
        UsageError: the share or a number of frames cannot be.
    """
    parts = [taken_apart(rows, seed=seed, share=dev_share) for rows in sources]
    dev = strangers([row for _, mine in parts for row in mine], test)
    train = strangers([row for mine, _ in parts for row in mine], [*dev, *test])
    few, more = frames
    return fold_of(
        name, {"train": thinned(train, few), "dev": thinned(dev, more), "test": thinned(test, more)}
    )
