"""Who of the gallery is it? The closed set: everybody who is looked for is in it."""

from __future__ import annotations

from facetrust.protocols._judgement import Judgement, Level
from facetrust.protocols._people import clusters_note
from facetrust.protocols._searches import RANKS, checked_searches, enrolled_in, rank_columns, rank_figures
from facetrust.records import Scores


def identification(test: Scores, *, seed: int = 0, rounds: int = 1000) -> Judgement:
    """Returns how many probes are found at rank 1, 5 and 10 of the gallery's people. Nothing is decided.

    Probes whose person is not in the gallery are left out and counted in a note. Ranks that the gallery
    cannot miss, being as large as it, are left out too. Intervals are 95 % bootstraps of `rounds` draws of
    people.

    Raises:
        ProtocolError: `test` holds no searches.
        MetricError: no probe's person is in the gallery.

    Source: Phillips, Grother and Micheals, Evaluation methods in face recognition (2011), 21.3.
    """
    table = checked_searches(test, "identification")
    gallery, enrolled = enrolled_in(table)
    ranks = [rank for rank in RANKS if rank == 1 or rank < enrolled]
    figures = rank_figures(table, ranks, seed=seed, rounds=rounds)
    known = int(table.labels.sum())
    people = len({*table.column("subject")[table.labels == 1]})
    made_by = table.made_by
    notes = [
        f"{known} probes of the {made_by.split} split were looked for among the {enrolled} people of "
        f"{gallery}; guessing finds {1 / enrolled:.2%}."
    ]
    if strangers := len(table) - known:
        named = int((table.rows["rank"].to_numpy()[table.labels == 1] == 1).sum())
        notes.append(
            f"{strangers} probes of people who are not in the gallery were left out; see open-set. Of all "
            f"{len(table)} probes {named / len(table):.1%} are named rightly, and "
            f"{known / len(table):.1%} can be."
        )
    if made_by.trained_people:
        notes.append(
            f"{made_by.model} was trained on {made_by.trained_people} of these people; it would find others "
            "less often."
        )
    level = Level(unit="probe", count=known, clusters=people, clustered_by="subject", figures=tuple(figures))
    return Judgement(
        protocol="identification",
        made_by=made_by,
        seed=seed,
        rounds=rounds,
        levels=(level,),
        columns=tuple(rank_columns(ranks)),
        notes=(*notes, *clusters_note(people, drawn=figures[0].low is not None)),
    )
