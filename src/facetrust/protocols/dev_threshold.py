"""The plain, honest protocol: a threshold fitted on dev, every figure measured on test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from facetrust.errors import MetricError, ProtocolError
from facetrust.metrics import UNNAMED
from facetrust.metrics.acer import acer
from facetrust.metrics.apcer import apcer
from facetrust.metrics.auc import auc
from facetrust.metrics.bpcer import bpcer
from facetrust.metrics.bpcer_at_apcer import bpcer_at_apcer
from facetrust.metrics.ece import ece
from facetrust.metrics.eer import eer
from facetrust.metrics.hter import hter
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr
from facetrust.protocols._attack_columns import attack_columns
from facetrust.protocols._judgement import Figure, Judgement, Level, SpeciesFigures, clusters_of
from facetrust.protocols._measure import measured
from facetrust.protocols._threshold import check_apart, check_one_model, fit_threshold
from facetrust.protocols._videos import ON_DEV, VideoRule, by_media, check_rule, choose_rule
from facetrust.records import Scores
from facetrust.tasks import task_named

_FEW = 10
_ERRORS = ("APCER, all attacks pooled", "BPCER")


def dev_threshold(
    test: Scores,
    dev: Scores,
    *,
    rule: str = "eer",
    video_rule: str = ON_DEV,
    seed: int = 0,
    rounds: int = 1000,
) -> Judgement:
    """Returns what a model does on test at the threshold that `rule` chooses on dev.

    Measured per row and, where rows share a medium, per medium: one score by the rule `video_rule`, or
    by the rule that `choose_rule` chooses on dev, with a threshold fitted on dev media. Intervals are
    95 % bootstraps of `rounds` draws, clustered by subject, else by medium. EER, TPR@FPR and
    BPCER@APCER describe the test curve and use no threshold; ECE is None where scores are no
    probabilities.

    Raises:
        ProtocolError: dev and test come from different models; dev is the reported split or
            shares rows with it; or the task's labels are no attacks.
        MetricError: dev or test lacks a class, or has NaN scores.
        UsageError: a rule is not known.
    """
    check_rule(video_rule)
    _check_pair(test, dev)
    levels = [_level("row", test, dev, rule, seed, rounds)]
    if len(by_media(test)) < len(test):
        chosen = choose_rule(test, dev, wanted=video_rule)
        media = _level("medium", by_media(test, chosen.name), by_media(dev, chosen.name), rule, seed, rounds)
        levels.append(media.model_copy(update={"video_rule": chosen}))
    return Judgement(
        protocol="dev-threshold",
        rule=rule,
        made_by=test.made_by,
        fitted_on=dev.made_by,
        seed=seed,
        rounds=rounds,
        levels=tuple(levels),
        columns=attack_columns(test.made_by.task),
        errors=_ERRORS,
        compare_as_published=task_named(test.made_by.task).as_published and _are_probabilities(test),
        notes=(*_notes(test, dev, levels[0]), *_too_few(levels[-1].video_rule, test.made_by.task)),
    )


def _are_probabilities(scores: Scores) -> bool:
    return bool(scores.scores.min() >= 0 and scores.scores.max() <= 1)


def _check_pair(test: Scores, dev: Scores) -> None:
    ours = test.made_by
    if task_named(ours.task).output != "score":
        raise ProtocolError(
            f"dev-threshold judges attacks; {ours.task} is reported by {task_named(ours.task).protocol}"
        )
    check_one_model(test, dev)


def _level(unit: Any, test: Scores, dev: Scores, rule: str, seed: int, rounds: int) -> Level:
    try:
        threshold = fit_threshold(
            rule,
            dev.labels,
            dev.scores,
            manifest=dev.made_by.manifest,
            split=dev.made_by.split,
            species=dev.column("attack"),
        )
    except MetricError as error:
        raise MetricError(f"dev scores of {dev.made_by.model}: {error}") from None
    check_apart(threshold, test.made_by)
    clusters, clustered_by = clusters_of(test)
    measure = partial(measured, clusters=clusters, seed=seed, rounds=rounds)
    try:
        figures = _figures(measure, test, threshold.value)
    except MetricError as error:
        raise MetricError(f"{test.made_by.split} scores of {test.made_by.model}: {error}") from None
    return Level(
        unit=unit,
        count=len(test),
        bona_fide=int((test.labels == 0).sum()),
        attacks=int(test.labels.sum()),
        clusters=len(set(clusters)),
        clustered_by=clustered_by,
        threshold=threshold,
        figures=figures,
        species=_species(test, threshold.value, clusters, seed, rounds),
    )


def _figures(measure: Callable[..., Figure], test: Scores, threshold: float) -> tuple[Figure, ...]:
    labels, scores, species = test.labels, test.scores, test.column("attack")
    at = {"threshold": threshold}
    figures = [
        measure("auc", auc, labels, scores),
        measure("eer", eer, labels, scores),
        measure("hter", hter, labels, scores, **at),
        measure("apcer", apcer, labels, scores, **at, species=species),
        measure("bpcer", bpcer, labels, scores, **at),
        measure("acer", acer, labels, scores, **at, species=species),
        measure("tpr@fpr=1%", tpr_at_fpr, labels, scores, fpr=0.01),
        measure("bpcer@apcer=1%", bpcer_at_apcer, labels, scores, apcer=0.01, species=species),
        measure("bpcer@apcer=5%", bpcer_at_apcer, labels, scores, apcer=0.05, species=species),
    ]
    if _are_probabilities(test):
        return (*figures, measure("ece", ece, labels, scores))
    return (*figures, Figure(metric="ece", value=None))


def _species(
    test: Scores, threshold: float, clusters: Any, seed: int, rounds: int
) -> tuple[SpeciesFigures, ...]:
    labels, scores = test.labels, test.scores
    names = np.array([UNNAMED if name is None else name for name in test.column("attack")])
    species_figures = []
    for name in sorted(set(names[labels == 1])):
        rows = (labels == 0) | (names == name)
        measure = partial(
            measured,
            labels=labels[rows],
            scores=scores[rows],
            clusters=clusters[rows],
            seed=seed,
            rounds=rounds,
        )
        species_figures.append(
            SpeciesFigures(
                species=str(name),
                rows=int((labels[rows] == 1).sum()),
                apcer=measure("apcer", apcer, threshold=threshold),
                auc=measure("auc", auc),
            )
        )
    return tuple(species_figures)


def _notes(test: Scores, dev: Scores, level: Level) -> tuple[str, ...]:
    notes = []
    if level.figures[0].low is None:
        notes.append(f"No intervals: {level.clusters} cluster(s) by {level.clustered_by} cannot be redrawn.")
    elif level.clusters < _FEW:
        notes.append(
            f"Only {level.clusters} clusters by {level.clustered_by}: the intervals are coarse and tend "
            "to be too narrow."
        )
    if test.made_by.manifest == dev.made_by.manifest:
        shared = {*test.column("subject")} & {*dev.column("subject")} - {None}
        if shared:
            notes.append(f"Dev and test share {len(shared)} subject(s): the threshold has seen these people.")
    return tuple(notes)


def _too_few(rule: VideoRule | None, task: str) -> tuple[str, ...]:
    if rule is None or rule.chosen != "by default":
        return ()
    bona_fide, attack = task_named(task).decisions
    return (
        f"Dev has {rule.bona_fide} {bona_fide} and {rule.attacks} {attack} media, too few to choose the rule "
        f"of a video's score there: it is {rule.name}, the robust default.",
    )
