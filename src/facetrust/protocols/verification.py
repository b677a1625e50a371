"""Are two pictures of one person? Pairs of people whom the model was not trained on."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from facetrust.errors import ProtocolError
from facetrust.metrics.apcer import apcer
from facetrust.metrics.auc import auc
from facetrust.metrics.bpcer import bpcer
from facetrust.metrics.eer import eer
from facetrust.metrics.fold_accuracy import accuracies_by_fold, fold_accuracy
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr
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
from facetrust.protocols._threshold import check_one_model, fit_threshold
from facetrust.records import Pairs, Scores, Threshold

_FNMR = "share of pairs of one person that are not taken for one"


def verification(
    test: Scores, dev: Scores | None = None, *, rule: str = "far@0.1%", seed: int = 0, rounds: int = 1000
) -> Judgement:
    """Returns how well pairs of one person are told from pairs of two.

    Where the official list has folds: the mean accuracy over folds, each decided at the threshold that is
    best on the others, and the standard deviation of the folds' accuracies (over K, as published works give
    it). TAR at a FAR describes the exact ROC curve of these pairs and uses no threshold; a FAR that not one
    of the pairs of two people would make up is left out. With `dev`, also TAR and FAR at the threshold that
    `rule` chooses there. Intervals are 95 % bootstraps of `rounds` draws of people, a pair counting as often
    as both its people are drawn.

    Raises:
        ProtocolError: `test` holds no pairs; the model was trained on people of the split; or dev comes from
            another model, is the reported split or shares pairs with it.
        MetricError: a label is absent, or a score is NaN.
        UsageError: the rule is not known.
    """
    if not isinstance(test, Pairs) or not (dev is None or isinstance(dev, Pairs)):
        raise ProtocolError(f"verification judges pairs; score {test.made_by.task} pairs of faces first")
    check_strangers(test)
    threshold = None if dev is None else _fitted(test, dev, rule)
    draws = draws_of(test)
    people = {name for side in draws.values() if side is not None for name in side if name is not None}
    figures = _figures(test, threshold, partial(measured, **draws, seed=seed, rounds=rounds))
    drawn = any(figure.low is not None for figure in figures)
    level = Level(
        unit="pair",
        count=len(test),
        bona_fide=int((test.labels == 0).sum()),
        attacks=int(test.labels.sum()),
        clusters=len(people) or len(test),
        clustered_by="subject" if people else "sample",
        threshold=threshold,
        figures=tuple(figures),
    )
    return Judgement(
        protocol="verification",
        rule="" if dev is None else rule,
        made_by=test.made_by,
        fitted_on=None if dev is None else dev.made_by,
        seed=seed,
        rounds=rounds,
        levels=(level,),
        columns=_columns(figures),
        errors=("FNMR", "FMR"),
        notes=(*strangers_note(test), *clusters_note(level.clusters, drawn=drawn)),
    )


def _fitted(test: Pairs, dev: Pairs, rule: str) -> Threshold:
    check_one_model(test, dev)
    by = dev.made_by
    return fit_threshold(rule, dev.labels, dev.scores, manifest=by.manifest, split=by.split)


def _figures(test: Pairs, threshold: Threshold | None, measure: Any) -> list[Figure]:
    labels, scores, folds = test.labels, test.scores, test.folds
    figures = []
    if folds is not None and len(np.unique(folds)) > 1:
        deviation = float(accuracies_by_fold(labels, scores, folds=folds).std())
        figures += [
            measure("accuracy", fold_accuracy, labels, scores, folds=folds),
            Figure(metric="accuracy-deviation", value=deviation),
        ]
    if threshold is not None:
        figures += [
            _turned(measure("tar", apcer, labels, scores, threshold=threshold.value)),
            measure("far", bpcer, labels, scores, threshold=threshold.value),
        ]
    figures += [
        measure(f"tar@far={name}", tpr_at_fpr, labels, scores, fpr=rate)
        for name, rate in rates_for(int((labels == 0).sum())).items()
    ]
    return [*figures, measure("eer", eer, labels, scores), measure("auc", auc, labels, scores)]


def _turned(figure: Figure) -> Figure:
    """The share that is accepted, of a figure of the share that is missed."""
    low, high = (None if end is None else 1 - end for end in (figure.high, figure.low))
    return Figure(metric=figure.metric, value=1 - (figure.value or 0.0), low=low, high=high)


def _columns(figures: list[Figure]) -> tuple[Column, ...]:
    known = {
        "accuracy": up(
            "accuracy",
            "accuracy",
            "Share of pairs decided rightly, mean over the official folds, each at the threshold that is "
            "best on the others.",
        ),
        "accuracy-deviation": down(
            "accuracy-deviation", "deviation", "Standard deviation of the folds' accuracies."
        ),
        "tar": up("tar", "TAR", "Share of pairs of one person accepted at the dev threshold."),
        "far": down("far", "FAR", "Share of pairs of two people accepted at the dev threshold."),
        "eer": down("eer", "EER", f"Where FAR equals the {_FNMR}; no threshold is fixed before."),
        "auc": up(
            "auc",
            "AUC",
            "The chance that a random pair of one person scores above a random pair of two. 0.5 is guessing.",
            percent=False,
        ),
    }
    columns = []
    for name in (figure.metric for figure in figures):
        rate = name.partition("=")[2]
        curve = up(
            name,
            f"TAR @ FAR {shown(rate)}",
            f"Share of pairs of one person accepted where at most {rate} of the pairs of two are, chosen on "
            "these pairs.",
        )
        columns.append(known.get(name, curve))
    return tuple(columns)
