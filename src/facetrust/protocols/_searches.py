"""What both protocols of identification share: the shares of probes whose person is among the first few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facetrust.errors import MetricError, ProtocolError
from facetrust.metrics import interval_of_mean
from facetrust.protocols._judgement import Column, Figure
from facetrust.protocols._people import up
from facetrust.records import Scores, Searches

RANKS = (1, 5, 10)


def checked_searches(table: Scores, protocol: str) -> Searches:
    """Returns the table of searches.

    Raises:
        ProtocolError: it is another kind of scores.
    """
    if not isinstance(table, Searches):
        raise ProtocolError(
            f"{protocol} judges searches of a gallery; name probes and gallery in <manifest>.gallery.csv"
        )
    return table


def enrolled_in(table: Searches) -> tuple[str, int]:
    """Returns what the gallery is called and how many people are in it."""
    return str(table.rows["gallery"][0]), int(table.rows["enrolled"][0])


def rank_figures(table: Searches, ranks: Sequence[int], *, seed: int, rounds: int) -> list[Figure]:
    """Returns, for each rank, the share of probes of the gallery's people that it finds.

    Raises:
        MetricError: no probe's person is in the gallery.
    """
    known = table.labels == 1
    if not known.any():
        raise MetricError(
            f"none of the {len(known)} probes shows anybody of the gallery: 0.0 % can be named rightly; "
            "cut the list by people and ask for verification"
        )
    ranked = table.rows["rank"].to_numpy()[known]
    people = table.column("subject")[known]
    figures = []
    for rank in ranks:
        hits = (ranked <= rank).astype(np.float64)
        try:
            low, high = interval_of_mean(hits, clusters=people, seed=seed, rounds=rounds)
        except MetricError:
            figures.append(Figure(metric=f"rank-{rank}", value=float(hits.mean())))
        else:
            figures.append(Figure(metric=f"rank-{rank}", value=float(hits.mean()), low=low, high=high))
    return figures


def rank_columns(ranks: Sequence[int]) -> list[Column]:
    """Returns how those figures are shown."""
    return [
        up(
            f"rank-{rank}",
            f"rank {rank}",
            "Share of probes whose own person is the most similar one in the gallery; equals count as more "
            "similar."
            if rank == 1
            else f"Share of probes whose own person is among the {rank} most similar ones in the gallery.",
        )
        for rank in ranks
    ]
