"""Thresholds: how they are fitted, and that they never meet the rows they were fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    changed: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
) -> Threshold:
    """Returns the threshold that a rule chooses on dev rows, with the manifest and split of these.

    Rules: `eer`, where pooled APCER and BPCER are nearest (then their sum lowest, then the lower
    threshold); `apcer@1%`, the highest threshold whose worst species' APCER is at most 1 % (of
    all pooled, without `species`); `bpcer@1%`, the lowest one whose BPCER is at most 1 %;
    `far@1%`, which says the same where label 0 is another person; `apcer@1%/domain` and
    `bpcer@1%/domain`, the same of the mean over the `domains` that have such rows, so that a large one does
    not decide alone; `bpcer@1%/change`, the lowest one that at most 1 % of the genuine rows reach under each
    harmless change, and `apcer@1%/change`, the highest one that at most 1 % of the attacks stay below under
    each. Shares may also be written `apcer@0.01`.

    All values between two neighbouring scores decide dev alike; the one halfway is returned, so
    that a runtime which rounds otherwise does not turn a dev decision round.

    Args:
        changed: by the name of a harmless change, labels and scores of the rows under it; a score that is not
            a number is of one that is then not judged, and so neither stopped nor passed.

    Raises:
        UsageError: the rule is not known, or wants domains or changes and there are none.
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
    elif kind in ("bpcer", "far"):
        at = int(np.argmax(bpcer <= share))
    elif kind.endswith("/change"):
        if not changed:
            raise UsageError(f"{rule}: only where faces are tried under changes, by facetrust export")
        positive = int(kind == "apcer/change")
        each = [_of(values, of, positive) for of, values in changed.values()]
        thresholds = np.unique(np.concatenate([thresholds, *(judged for judged, _ in each)]))
        below = [(_below(judged, thresholds), len(judged), count) for judged, count in each]
        if positive:
            worst = np.max([missed / count for missed, _, count in below], axis=0)
            at = int(np.flatnonzero(worst <= share)[-1])
        else:
            worst = np.max([(judged - passed) / count for passed, judged, count in below], axis=0)
            at = int(np.argmax(worst <= share))
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


def check_one_model(test: Scores, dev: Scores) -> None:
    """Checks that dev scores may fit the threshold of the reported ones.

    Raises:
        ProtocolError: they come from another model, or dev is the reported split or shares rows with it.
    """
    ours, theirs = test.made_by, dev.made_by
    for field in ("model", "version", "task"):
        if (a := getattr(ours, field)) != (b := getattr(theirs, field)):
            raise ProtocolError(
                f"test and dev scores differ in {field}: {a!r} and {b!r}; score both by one model"
            )
    check_apart(Threshold(value=0, rule="dev scores", manifest=theirs.manifest, split=theirs.split), ours)
    check_rows_apart(test, dev)


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
    keys = list(test.kinds)
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


def _of(values: ArrayLike, labels: ArrayLike, label: int) -> tuple[NDArray[np.float64], int]:
    """The scores of a label's judged rows, and how many rows of it there are."""
    own = np.asarray(values, dtype=float)[np.asarray(labels) == label]
    return own[~np.isnan(own)], len(own)


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
    known = {"": ("apcer", "bpcer", "far"), "/domain": ("apcer", "bpcer"), "/change": ("apcer", "bpcer")}
    if kind not in known.get(slash + per, ()) or not 0 <= share <= 1:
        raise UsageError(
            f"no threshold rule {rule!r}; use eer, apcer@1%, bpcer@1%, far@1%, or, of apcer and bpcer, "
            "apcer@1%/domain or apcer@1%/change (any share)"
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
