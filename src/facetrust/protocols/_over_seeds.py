"""Runs that differ in nothing but the seed, put together: how much of a figure is chance of training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal

from facetrust.protocols._as_published import AsPublished
from facetrust.protocols._judgement import Figure, Judgement, Unit
from facetrust.records import Record


class Spread(Record):
    """A figure's mean over runs, their standard deviation (with n - 1; none for one run) and number."""

    metric: str
    mean: float | None
    deviation: float | None
    count: int


class OverSeeds(Record):
    """The figures of one model over its seeds, at the dev thresholds or as published works measure."""

    model: str
    seeds: tuple[int, ...]
    mode: Literal["honest", "as-published"]
    unit: Unit
    figures: tuple[Spread, ...]


def over_seeds(
    judgements: Sequence[Judgement], *, published: Sequence[AsPublished | None] = ()
) -> tuple[OverSeeds, ...]:
    """Returns the means over runs of one model with different seeds; nothing of a model with one run.

    A model is known by its name and its card's version; the part of the version that names the weights
    differs from seed to seed. Where two of its runs have the same seed, or one has none, they are not
    put together, for they differ in more.

    Args:
        judgements: what a protocol says of each run, all on the same rows.
        published: what `as_published` says of each; left out, or None, where it says nothing.
    """
    runs: dict[tuple[str, str], list[int]] = {}
    for at, judgement in enumerate(judgements):
        made_by = judgement.made_by
        runs.setdefault((made_by.model, made_by.version.partition("+")[0]), []).append(at)
    groups: list[OverSeeds] = []
    for (model, version), places in runs.items():
        seeds = [judgements[at].made_by.seed for at in places]
        known = tuple(seed for seed in seeds if seed is not None)
        if len(places) < 2 or len(set(known)) < len(places):
            continue
        name = f"{model}@{version}"
        for levels in zip(*(judgements[at].levels for at in places), strict=True):
            figures = spread([level.figures for level in levels])
            groups.append(
                OverSeeds(model=name, seeds=known, mode="honest", unit=levels[0].unit, figures=figures)
            )
        theirs = [published[at] for at in places] if published else []
        if measured := [each for each in theirs if each is not None]:
            figures, unit = spread([each.figures for each in measured]), measured[0].unit
            groups.append(OverSeeds(model=name, seeds=known, mode="as-published", unit=unit, figures=figures))
    return tuple(groups)


def spread(runs: Sequence[Sequence[Figure]]) -> tuple[Spread, ...]:
    """Returns the spread of each metric over runs that have the same metrics in the same order."""
    spreads = []
    for figures in zip(*runs, strict=True):
        values = [figure.value for figure in figures if figure.value is not None]
        spreads.append(
            Spread(
                metric=figures[0].metric,
                mean=fmean(values) if values else None,
                deviation=stdev(values) if len(values) > 1 else None,
                count=len(values),
            )
        )
    return tuple(spreads)
