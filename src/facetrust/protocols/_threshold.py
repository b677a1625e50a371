"""Thresholds: how they are fitted, and that they never meet the rows they were fitted on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import ProtocolError, UsageError
from facetrust.metrics import highest_threshold, operating_points
from facetrust.records import Provenance, Scores, Split, Threshold


def fit_threshold(
    rule: str,
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    manifest: str,
    split: Split,
    species: ArrayLike | None = None,
    domains: ArrayLike | None = None,
) -> Threshold:
    """Returns the threshold that a rule chooses on dev rows, with the manifest and split of these.

    Rules: `eer`, where pooled APCER and BPCER are nearest (then their sum lowest, then the lower
    threshold); `apcer@1%`, the highest threshold whose worst species' APCER is at most 1 % (of
    all pooled, without `species`); `bpcer@1%`, the lowest one whose BPCER is at most 1 %;
    `apcer@1%/domain` and `bpcer@1%/domain`, the same of the mean over the `domains` that have such rows, so
    that a large one does not decide alone. Shares may also be written `apcer@0.01`.

    All values between two neighbouring scores decide dev alike; the one halfway is returned, so
    that a runtime which rounds otherwise does not turn a dev decision round.

    Raises:
        UsageError: the rule is not known, or wants domains and there are none.
        MetricError: see `facetrust.metrics.checked`.
    """
    kind, share = _parsed(rule)
    labels = np.asarray(labels)
    thresholds, apcer, bpcer = operating_points(labels, scores)
    if kind == "eer":
        # Whole numbers: 0.3 - 0.1 and 0.4 - 0.2 are not the same, and rounding must not break a tie.
        attacks = int(np.count_nonzero(labels == 1))
        size = attacks * (len(labels) - attacks)
        missed, stopped = np.rint(apcer * size), np.rint(bpcer * size)
        at = int(np.lexsort((missed + stopped, np.abs(missed - stopped)))[0])
    elif kind == "apcer":
        top = highest_threshold(labels, scores, apcer=share, species=species)
        at = int(np.searchsorted(thresholds, top))
    elif kind == "bpcer":
        at = int(np.argmax(bpcer <= share))
    else:
        if domains is None:
            raise UsageError(f"{rule}: the rows name no domains; use {rule.partition('/')[0]}")
        values, names = np.asarray(scores), np.asarray(domains).astype(str)
        if kind == "bpcer/domain":
            genuine = labels == 0
            bpcer = _over_domains(
                values[genuine], names[genuine], lambda own: len(own) - _below(own, thresholds)
            )
            at = int(np.argmax(bpcer <= share))
        else:
            attacks = labels == 1
            apcer = _over_domains(values[attacks], names[attacks], lambda own: _below(own, thresholds))
            at = int(np.flatnonzero(apcer <= share)[-1])
    return Threshold(value=_halfway(thresholds, at), rule=rule, manifest=manifest, split=split)


def check_threshold_rule(rule: str) -> None:
    """Checks that a rule is one of `fit_threshold`'s.

    Raises:
        UsageError: it is not.
    """
    _parsed(rule)


def check_apart(threshold: Threshold, test: Provenance) -> None:
    """Checks that a threshold was not fitted on the rows that are to be reported.

    Raises:
        ProtocolError: it was fitted on the same split of the same manifest.
    """
    if (threshold.manifest, threshold.split) == (test.manifest, test.split):
        raise ProtocolError(
            f"the threshold ({threshold.rule}) of {test.model} was fitted on the {test.split} split of "
            f"manifest {test.manifest[:12]}, which is reported; fit it on the scores of another split"
        )


def check_rows_apart(test: Scores, dev: Scores) -> None:
    """Checks that no row of the reported scores is among the dev scores, whatever they call themselves.

    Raises:
        ProtocolError: some rows are the same, score included.
    """
    keys = list(Scores.columns)
    shared = test.rows.join(dev.rows, on=keys, how="semi", nulls_equal=True).height
    if shared:
        raise ProtocolError(
            f"{shared} of {len(test)} reported rows of {test.made_by.model} are also dev rows; "
            "fit the threshold on rows that are not reported"
        )


def _over_domains(
    values: NDArray[np.float64],
    names: NDArray[Any],
    wrong: Callable[[NDArray[np.float64]], NDArray[np.intp]],
) -> NDArray[np.float64]:
    """The mean over domains of the share of a domain's scores that are `wrong`, one per threshold."""
    each = [wrong(own) / len(own) for own in (values[names == name] for name in np.unique(names))]
    return np.asarray(np.mean(each, axis=0))


def _below(values: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.searchsorted(np.sort(values), thresholds, side="left")


def _parsed(rule: str) -> tuple[str, float]:
    named, slash, per = rule.partition("/")
    kind, _, amount = named.partition("@")
    if rule == "eer":
        return kind, 0.0
    try:
        share = float(Decimal(amount[:-1]) / 100 if amount.endswith("%") else Decimal(amount))
    except InvalidOperation:
        share = -1.0
    if (
        kind not in ("apcer", "bpcer")
        or not 0 <= share <= 1
        or per not in ("", "domain")
        or (slash and not per)
    ):
        raise UsageError(
            f"no threshold rule {rule!r}; use eer, apcer@1%, bpcer@1%, or these with /domain (any share)"
        )
    return kind + slash + per, share


def _halfway(thresholds: np.ndarray[tuple[int], np.dtype[np.float64]], at: int) -> float:
    """Returns a finite value that decides as `thresholds[at]` does."""
    if at == 0:
        return float(thresholds[0])
    below = float(thresholds[at - 1])
    if np.isinf(thresholds[at]):
        return float(np.nextafter(below, np.inf))
    middle = below + (float(thresholds[at]) - below) / 2
    return middle if middle > below else float(thresholds[at])
