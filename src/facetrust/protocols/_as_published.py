"""Figures as published works measure them, so that ours can stand beside theirs. Nobody could deploy them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facetrust.errors import MetricError, ProtocolError
from facetrust.metrics import checked
from facetrust.metrics.auc import auc
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr
from facetrust.protocols._judgement import Column, Figure, Unit
from facetrust.protocols._videos import by_media
from facetrust.records import Record, Scores

CHOSEN = "threshold and checkpoint chosen on test; for comparison with published rows only"
PUBLISHED_COLUMNS = (
    Column(metric="hter", title="HTER", higher_is_better=False),
    Column(metric="auc", title="AUC", percent=False, higher_is_better=True),
    Column(
        metric="tpr@fpr=1% (live)",
        title="TPR @ FPR 1\N{NO-BREAK SPACE}% (live positive)",
        higher_is_better=True,
    ),
    Column(metric="far", title="FAR", higher_is_better=False),
    Column(metric="frr", title="FRR", higher_is_better=False),
)
_STEPS = 10_000
_DECIMALS = 12


class AsPublished(Record):
    """A model's figures at the threshold, and of the checkpoint, that are best on the reported rows.

    `threshold` is of P(live), 1 - score: a face at or over it is let in. `checkpoint` is the version
    that was chosen among `checkpoints`.
    """

    chosen: str = CHOSEN
    unit: Unit
    bona_fide: int
    attacks: int
    checkpoint: str
    checkpoints: int
    threshold: float
    figures: tuple[Figure, ...]

    def figure(self, metric: str) -> Figure:
        """Returns the figure of a metric; one without a value where it was not measured."""
        return next(
            (each for each in self.figures if each.metric == metric), Figure(metric=metric, value=None)
        )


def as_published(test: Scores, *, epochs: Sequence[Scores] = ()) -> AsPublished:
    """Returns the figures that FLIP's evaluation would print for scores of the reported rows.

    A medium scores the mean of its frames' P(live) = 1 - score, to twelve decimals: more would let rounding
    decide whether coarse scores are equal, and reach a threshold that they equal. The threshold is searched
    on these very rows, over 0, 0.0001, ... 1 and 1.1: the last one with the smallest |FRR - FAR|. Live is
    positive: FAR is the share of attacks at or over it (APCER, pooled), FRR that of bona fide below it
    (BPCER), HTER their mean. The TPR counts every point of the ROC curve; scikit-learn's list, which FLIP's
    code reads, leaves out those on a straight line, so that it may say less where scores are tied.

    Args:
        test: scores of the reported rows.
        epochs: scores of the same rows by other checkpoints of the same run. The checkpoint with the
            lowest HTER is reported; of equal ones the last, `test` coming after all others.

    Raises:
        ProtocolError: `epochs` come from another model, run or task, or hold other rows.
        MetricError: a class is absent, or a score is no probability.

    Source: Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023), the evaluation in its code.
    """
    for other in epochs:
        _check_same(test, other)
    measured = [_measured(each) for each in (*epochs, test)]
    best = min(reversed(measured), key=lambda each: each.figures[0].value or 0.0)
    return best.model_copy(update={"checkpoints": len(measured)})


def _measured(scores: Scores) -> AsPublished:
    media = by_media(scores)
    try:
        labels, values = checked(media.labels, media.scores)
    except MetricError as error:
        raise MetricError(f"{scores.made_by.split} scores of {scores.made_by.model}: {error}") from None
    if values.min() < 0 or values.max() > 1:
        raise MetricError(f"scores of {scores.made_by.model} are no probabilities; they must lie in [0, 1]")
    live = np.round(1 - values, _DECIMALS)
    threshold, far, frr = _searched(live[labels == 0], live[labels == 1])
    named = {
        "hter": (far + frr) / 2,
        "auc": auc(labels, -live),
        "tpr@fpr=1% (live)": tpr_at_fpr(labels, -live, fpr=0.01, positive="live"),
        "far": far,
        "frr": frr,
    }
    return AsPublished(
        unit="medium" if len(media) < len(scores) else "row",
        bona_fide=int((labels == 0).sum()),
        attacks=int(labels.sum()),
        checkpoint=scores.made_by.version,
        checkpoints=1,
        threshold=threshold,
        figures=tuple(Figure(metric=name, value=value) for name, value in named.items()),
    )


def _searched(bona_fide: np.ndarray, attacks: np.ndarray) -> tuple[float, float, float]:
    """Returns the last threshold of the grid where |FRR - FAR| is smallest, with its FAR and FRR."""
    grid = np.append(np.arange(_STEPS + 1) / _STEPS, 1.1)
    frr = np.searchsorted(np.sort(bona_fide), grid, side="left") / len(bona_fide)
    far = (len(attacks) - np.searchsorted(np.sort(attacks), grid, side="left")) / len(attacks)
    gap = np.abs(frr - far)
    at = int(np.flatnonzero(gap == gap.min())[-1])
    return float(grid[at]), float(far[at]), float(frr[at])


def _check_same(test: Scores, other: Scores) -> None:
    for field in ("model", "seed", "task", "manifest", "split"):
        if (a := getattr(test.made_by, field)) != (b := getattr(other.made_by, field)):
            raise ProtocolError(
                f"checkpoints {test.made_by.version} and {other.made_by.version} of {test.made_by.model} "
                f"differ in {field}: {a!r} and {b!r}; give those of one run on one test set"
            )
    if not test.same_rows(other):
        raise ProtocolError(
            f"the {len(other)} rows of checkpoint {other.made_by.version} of {test.made_by.model} are not "
            f"the {len(test)} reported ones; evaluate it on the same manifest again"
        )
