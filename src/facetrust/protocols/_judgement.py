"""What a protocol returns, and by what its rows are clustered."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facetrust.protocols._videos import VideoRule
from facetrust.records import Pairs, Provenance, Record, Scores, Threshold

Unit = Literal["row", "medium", "pair", "probe"]


class Column(Record):
    """How a report shows one metric.

    percent: written in percent, otherwise as it is with four digits. higher_is_better: none where neither
    direction is, so that no model is marked as the best. meaning: a sentence for the page's last section.
    """

    metric: str
    title: str
    percent: bool = True
    higher_is_better: bool | None = None
    meaning: str = ""


class Figure(Record):
    """A measured value with its 95 % interval; None where it is not defined for these scores."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None


class SpeciesFigures(Record):
    """How one attack species fares: its rows, its APCER at the threshold, its AUC against all bona fide."""

    species: str
    rows: int
    apcer: Figure
    auc: Figure


class Level(Record):
    """The figures for rows (images, frames), for media (videos: one score by `video_rule`), pairs or probes.

    count: how many rows, media, pairs or probes were measured. bona_fide, attacks: how many of them have
    label 0 and label 1; none where there are no labels. threshold: none where nothing is decided, and then no
    curves are drawn. species: figures per attack species, if there are any.
    """

    unit: Unit
    count: int
    bona_fide: int | None = None
    attacks: int | None = None
    clusters: int
    clustered_by: str
    threshold: Threshold | None = None
    figures: tuple[Figure, ...]
    species: tuple[SpeciesFigures, ...] = ()
    video_rule: VideoRule | None = None

    def figure(self, metric: str) -> Figure:
        """Returns the figure of a metric; one without a value where it was not measured."""
        return next(
            (each for each in self.figures if each.metric == metric), Figure(metric=metric, value=None)
        )


class Judgement(Record):
    """What a protocol says of one model: figures per level, what they rest on, and how a report shows them.

    rule, fitted_on: how and on what the thresholds were chosen; empty where a protocol chooses none.
    columns: the metrics of the report's tables in order; the first one is the headline figure.
    errors: names of the two error rates that are drawn as curves, that of label 1 first.
    compare_as_published: whether `as_published` figures of the same scores can stand beside these.
    """

    protocol: str
    rule: str = ""
    made_by: Provenance
    fitted_on: Provenance | None = None
    seed: int
    rounds: int
    levels: tuple[Level, ...]
    columns: tuple[Column, ...]
    errors: tuple[str, str] = ("miss rate", "false alarm rate")
    compare_as_published: bool = False
    notes: tuple[str, ...] = ()


def clusters_of(scores: Scores) -> tuple[NDArray[np.object_], str]:
    """Returns the cluster of each row (N,) for a bootstrap, and by what rows were clustered.

    That is the subject, where all rows have one; else the medium; else, row by row, the first of
    subject, medium and sample that is there.
    """
    for name in ("subject", "media"):
        column = scores.column(name)
        if all(value is not None for value in column):
            return column, name
    columns = zip(*(scores.column(name) for name in ("subject", "media", "sample")), strict=True)
    # The kind goes into the name, so that subject 7 and medium 7 stay apart.
    named = [
        next(f"{kind}:{value}" for kind, value in enumerate(row) if value is not None) for row in columns
    ]
    kinds = {name[0] for name in named}
    return np.array(named, dtype=object), "sample" if kinds == {"2"} else "subject, media or sample"


def draws_of(scores: Scores) -> dict[str, Any]:
    """Returns what `metrics.interval` draws rows by: `clusters`, and `others` where a row is of two."""
    if isinstance(scores, Pairs):
        return {"clusters": scores.column("subject"), "others": scores.column("other")}
    return {"clusters": clusters_of(scores)[0], "others": None}
