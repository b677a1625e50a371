"""What of an exported file's card is fitted on dev faces: thresholds, calibration and limits of quality."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from facetrust.data.manifest import Manifest, absolute, whole_pictures
from facetrust.errors import ImageError, ManifestError, MetricError
from facetrust.evaluation.invariance import drawn, qualities_of, under_changes
from facetrust.evaluation.quality_limits import fit_limits
from facetrust.evaluation.scorers import open_scorer
from facetrust.imaging import read_sample
from facetrust.metrics.apcer import apcer
from facetrust.metrics.bpcer import bpcer
from facetrust.metrics.ece import ece
from facetrust.protocols import FittedLimit, fit_calibration, fit_threshold
from facetrust.records import ModelCard, QualityLimits, Record, Sample
from facetrust.tasks import task_named

_log = logging.getLogger("facetrust")
_TRIED = 100  # Dev faces of each manifest and label that a rule per change tries.


class Calibrated(Record):
    """The expected calibration error on the dev faces that the calibration was fitted on, labels alike."""

    before: float
    after: float


class DevErrors(Record):
    """What a rule's threshold costs on the dev faces that it was fitted on: shares in [0, 1], all pooled."""

    rule: str
    threshold: float
    apcer: float
    bpcer: float


class Fitted(Record):
    """What was fitted for a card, and on which faces: `faces` of `labelled` ones are within its limits."""

    card: ModelCard
    faces: int
    labelled: int = 0
    errors: tuple[DevErrors, ...] = ()
    calibrated: Calibrated | None = None
    limits: tuple[FittedLimit, ...] = ()


def fit_card(
    file: Path,
    card: ModelCard,
    manifests: Sequence[Manifest],
    *,
    rules: Sequence[str],
    risk: float | None = None,
) -> Fitted:
    """Returns a card with the thresholds that rules choose, a calibration and, if asked, limits of quality.

    Scores are those of the file itself on the labelled dev faces that the card's limits leave judged, so
    that what decides is fitted on what runs, and on what it decides about; a rule per change tries at most a
    hundred genuine ones of each manifest, and as many attacks in all. Limits that errors can tell
    (`facetrust.evaluation.quality_limits`) replace the card's, the others stay.

    Args:
        file: the exported network, an .onnx file.
        rules: of `facetrust.protocols.fit_threshold`; the first one decides. Without any, thresholds and
            calibration stay as they are.
        risk: greatest share of wrong decisions within the limits; none: they stay.

    Raises:
        UsageError: a rule is not known.
        MetricError: dev, or what of it is judged, has one label only.
        ImageError: a picture cannot be read.
        ManifestError: a manifest has no dev rows.
    """
    fitted = Fitted(card=card, faces=0)
    if rules:
        fitted = _decided(file, card, manifests, rules)
    if risk is not None:
        found = fit_limits(file, manifests, bound=risk, threshold=fitted.card.threshold)
        base = (card.limits or QualityLimits()).model_dump()
        limits = QualityLimits(**base | {each.limit: each.value for each in found})
        fitted = fitted.model_copy(
            update={"limits": found, "card": fitted.card.model_copy(update={"limits": limits})}
        )
    return fitted


def _judged(rows: Sequence[Sample], limits: QualityLimits) -> list[Sample]:
    """The faces within limits; one that cannot be read stays, so that its scorer names it."""
    qualities = qualities_of(rows, read_sample)
    return [
        row
        for row, quality in zip(rows, qualities, strict=True)
        if quality is None or limits.reason(quality) is None
    ]


def _tried(
    unit: str, manifests: Sequence[Manifest], rows: Sequence[Sample], bounded: Collection[str]
) -> list[Sample]:
    """The dev faces that a rule per change needs: genuine ones for BPCER, attacks of `rows` for APCER."""
    tried: list[Sample] = []
    if "bpcer" in bounded:
        genuine = [row for each in manifests for row in drawn(each, 0, _TRIED, split="dev")]
        tried += whole_pictures(genuine) if unit == "picture" else genuine
    if "apcer" in bounded:
        attacks = [row for row in rows if row.label]
        if len(attacks) > (most := _TRIED * len(manifests)):
            chosen = np.random.default_rng(0).choice(len(attacks), most, replace=False)
            attacks = [attacks[place] for place in sorted(chosen.tolist())]
        tried += attacks
    return tried


def _decided(file: Path, card: ModelCard, manifests: Sequence[Manifest], rules: Sequence[str]) -> Fitted:
    rows = [
        row
        for each in manifests
        for row in absolute(each.only("dev").samples(), each.root)
        if row.label is not None
    ]
    if not rows:
        raise ManifestError(f"{manifests[0].source}: no labelled dev rows to fit a threshold on")
    labelled = len(rows)
    if task_named(card.task).unit == "picture":
        rows = whole_pictures(rows)
    elif card.limits is not None:
        judged = _judged(rows, card.limits)
        if len({row.label for row in judged}) < len({row.label for row in rows}):
            raise MetricError(
                f"{manifests[0].source}: of its {len(rows)} labelled dev faces {len(judged)} are within the "
                "card's limits of quality, and not of both labels; give other faces or limits"
            )
        rows = judged
    _, scorer = open_scorer(file)
    scores = np.empty(len(rows))
    for place, answer in enumerate(scorer(rows, read_sample)):
        if isinstance(answer, ImageError):
            raise answer
        scores[place] = float(answer)
    labels = np.array([row.label for row in rows])
    domains = [row.domain or "" for row in rows]
    manifest = "+".join(each.hash for each in manifests)
    changed = None
    bounded = {rule.partition("@")[0] for rule in rules if rule.endswith("/change")}
    if bounded:
        tried = _tried(task_named(card.task).unit, manifests, rows, bounded)
        truth = np.array([int(bool(row.label)) for row in tried])
        changed = {
            change: (truth, np.where(judged, values, np.nan))
            for change, (judged,), (values,) in under_changes([(card, scorer)], tried)
        }
    found = tuple(
        fit_threshold(rule, labels, scores, manifest=manifest, split="dev", domains=domains, changed=changed)
        for rule in rules
    )
    card = card.model_copy(update={"thresholds": found, "calibration": None})
    errors = tuple(
        DevErrors(
            rule=each.rule,
            threshold=each.value,
            apcer=apcer(labels, scores, threshold=each.value),
            bpcer=bpcer(labels, scores, threshold=each.value),
        )
        for each in found
    )
    fitted = Fitted(card=card, faces=len(rows), labelled=labelled, errors=errors)
    try:
        calibration = fit_calibration(labels, scores, manifest=manifest, split="dev", domains=domains)
    except MetricError as error:
        _log.warning("no calibration: %s", error)
        return fitted
    after = np.array([calibration.probability(score) for score in scores.tolist()])
    calibrated = Calibrated(
        before=ece(labels, scores, balanced=True), after=ece(labels, after, balanced=True)
    )
    card = card.model_copy(update={"calibration": calibration})
    return fitted.model_copy(update={"card": card, "calibrated": calibrated})
