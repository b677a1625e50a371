"""How the toy answers are judged: pairs by their cosine, classes by the share of pixels that agree."""

import numpy as np

from facetrust.metrics.auc import auc
from facetrust.protocols import Column, Figure, Judgement, Level
from facetrust.records import Confusions, Scores


def toy_pairs(test: Scores, dev: Scores, *, seed: int = 0, rounds: int = 1000) -> Judgement:
    """Returns how well cosines rank pairs of one subject above others."""
    same = test.labels == 1
    gap = float(test.scores[same].mean() - test.scores[~same].mean())
    figures = (
        Figure(metric="auc", value=float(auc(test.labels, test.scores))),
        Figure(metric="gap", value=gap),
    )
    level = Level(unit="pair", count=len(test), clusters=len(test), clustered_by="pair", figures=figures)
    columns = (
        Column(metric="auc", title="AUC", percent=False, higher_is_better=True),
        Column(metric="gap", title="gap of cosines", percent=False, higher_is_better=True),
    )
    return Judgement(
        protocol="toy-pairs",
        made_by=test.made_by,
        fitted_on=dev.made_by,
        seed=seed,
        rounds=rounds,
        levels=(level,),
        columns=columns,
    )


def toy_overlap(test: Confusions, *, seed: int = 0, rounds: int = 1000) -> Judgement:
    """Returns the share of pixels whose class is right, over all and per class; nothing is fitted."""
    _, counts = test.counts()
    whole = counts.sum(0)
    figures = [Figure(metric="agreement", value=float(np.trace(whole) / whole.sum()))]
    columns = [Column(metric="agreement", title="agreement", higher_is_better=True)]
    for index, name in enumerate(test.made_by.classes):
        figures.append(Figure(metric=name, value=float(whole[index, index] / whole[index].sum())))
        columns.append(Column(metric=name, title=name, higher_is_better=True))
    level = Level(
        unit="row", count=len(counts), clusters=len(counts), clustered_by="sample", figures=tuple(figures)
    )
    return Judgement(
        protocol="toy-overlap",
        made_by=test.made_by,
        seed=seed,
        rounds=rounds,
        levels=(level,),
        columns=tuple(columns),
    )
