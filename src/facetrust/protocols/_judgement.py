"""What a protocol returns, and by what its rows are clustered."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facetrust.protocols._videos import VideoRule
from facetrust.records import Provenance, Record, Scores, Threshold

Unit = Literal["row", "medium"]


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
    """The figures for single rows (images, frames) or for media (videos: one score by `video_rule`)."""

    unit: Unit
    bona_fide: int
    attacks: int
    clusters: int
    clustered_by: str
    threshold: Threshold
    figures: tuple[Figure, ...]
    species: tuple[SpeciesFigures, ...]
    video_rule: VideoRule | None = None

    def figure(self, metric: str) -> Figure:
        """Returns the figure of a metric; one without a value where it was not measured."""
        return next(
            (each for each in self.figures if each.metric == metric), Figure(metric=metric, value=None)
        )


class Judgement(Record):
    """What a protocol says of one model: figures per level, and what they rest on."""

    protocol: str
    rule: str
    made_by: Provenance
    fitted_on: Provenance
    seed: int
    rounds: int
    levels: tuple[Level, ...]
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
