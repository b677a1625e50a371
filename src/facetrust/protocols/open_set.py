"""Is it anybody of the gallery, and who? The open set: some who are looked for are not in it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facetrust.metrics import checked
from facetrust.metrics.bpcer import bpcer
from facetrust.metrics.dir_at_fpir import dir_at_fpir
from facetrust.protocols._judgement import Column, Figure, Judgement, Level, draws_of
from facetrust.protocols._measure import measured
from facetrust.protocols._people import (
    check_strangers,
    clusters_note,
    down,
    rates_for,
    shown,
    strangers_note,
    up,
)
from facetrust.protocols._searches import checked_searches, enrolled_in, rank_columns, rank_figures
from facetrust.protocols._threshold import check_one_model, fit_threshold
from facetrust.records import Scores, Searches, Threshold


def open_set(
    test: Scores, dev: Scores | None = None, *, rule: str = "far@1%", seed: int = 0, rounds: int = 1000
) -> Judgement:
    """Returns how many of the gallery's people are found and named, and how many strangers are taken for one.

    DIR at an FPIR describes the exact curve of these probes; an FPIR that not one stranger would make up is
    left out. With `dev`, also DIR and FPIR at the threshold that `rule` chooses there, on strangers of its
    own. Intervals are 95 % bootstraps of `rounds` draws of people.

    Raises:
        ProtocolError: a table holds no searches; the model was trained on people of the split; or dev comes
            from another model, is the reported split or shares probes with it.
        MetricError: there are no strangers, or nobody of the gallery is looked for.
        UsageError: the rule is not known.

    Source: Phillips, Grother and Micheals, Evaluation methods in face recognition (2011), 21.4; FAR there is
        ISO/IEC 19795-1's FPIR.
    """
    table = checked_searches(test, "open-set")
    check_strangers(table)
    checked(table.labels, table.scores)
    threshold = None
    if dev is not None:
        check_one_model(table, checked_searches(dev, "open-set"))
        by = dev.made_by
        threshold = fit_threshold(rule, dev.labels, dev.scores, manifest=by.manifest, split=by.split)
    draws = draws_of(table)
    figures = _figures(table, threshold, partial(measured, **draws, seed=seed, rounds=rounds))
    figures += rank_figures(table, (1,), seed=seed, rounds=rounds)
    clusters = len({*(draws["clusters"] if draws["clusters"] is not None else ())})
    gallery, enrolled = enrolled_in(table)
    level = Level(
        unit="probe",
        count=len(table),
        bona_fide=int((table.labels == 0).sum()),
        attacks=int(table.labels.sum()),
        clusters=clusters,
        clustered_by="subject",
        threshold=threshold,
        figures=tuple(figures),
    )
    return Judgement(
        protocol="open-set",
        rule="" if dev is None else rule,
        made_by=table.made_by,
        fitted_on=None if dev is None else dev.made_by,
        seed=seed,
        rounds=rounds,
        levels=(level,),
        columns=_columns(figures),
        errors=("known below the threshold", "FPIR"),
        notes=(
            f"{enrolled} people are in {gallery}; label 1 is a probe of one of them, label 0 a stranger's.",
            *strangers_note(table),
            *clusters_note(clusters, drawn=figures[0].low is not None),
        ),
    )


def _figures(table: Searches, threshold: Threshold | None, measure: Any) -> list[Figure]:
    labels, scores = table.labels, table.scores
    named = table.rows["rank"].fill_null(0).to_numpy() == 1
    figures = []
    if threshold is not None:
        figures += [
            measure("dir", _dir, labels, scores, threshold=threshold.value, named=named),
            measure("fpir", bpcer, labels, scores, threshold=threshold.value),
        ]
    return figures + [
        measure(f"dir@fpir={name}", dir_at_fpir, labels, scores, fpir=rate, named=named)
        for name, rate in rates_for(int((labels == 0).sum()), "10%").items()
    ]


def _dir(labels: ArrayLike, scores: ArrayLike, *, threshold: float, named: ArrayLike) -> float:
    """The share of the gallery's people who reach the threshold as themselves."""
    reached = (np.asarray(scores) >= threshold) & np.asarray(named)
    return float(reached[np.asarray(labels) == 1].mean())


def _columns(figures: list[Figure]) -> tuple[Column, ...]:
    known = {
        "dir": up("dir", "DIR", "Share of the gallery's people found and named at the dev threshold."),
        "fpir": down("fpir", "FPIR", "Share of strangers taken for somebody at the dev threshold."),
        "rank-1": rank_columns((1,))[0],
    }
    columns = []
    for name in (figure.metric for figure in figures):
        rate = name.partition("=")[2]
        curve = up(
            name,
            f"DIR @ FPIR {shown(rate)}",
            f"Share of the gallery's people found and named where at most {rate} of the strangers are taken "
            "for somebody, chosen on these probes.",
        )
        columns.append(known.get(name, curve))
    return tuple(columns)
