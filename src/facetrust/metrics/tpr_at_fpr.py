"""True positive rate at a fixed false positive rate."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from facetrust.errors import MetricError
from facetrust.metrics._check import checked_share
from facetrust.metrics._curve import operating_points


def tpr_at_fpr(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    fpr: float = 0.01,
    positive: Literal["attack", "live"] = "attack",
) -> float:
    """Returns the highest true positive rate whose false positive rate is at most `fpr`, in [0, 1].

    With `positive="attack"`, the house direction, it is the share of attacks found while at most
    `fpr` of the bona fide are called attacks: 1 - APCER (pooled) at BPCER <= `fpr`. With
    `positive="live"` it is the share of bona fide let in while at most `fpr` of the attacks are:
    1 - BPCER at APCER (pooled) <= `fpr`. The second is what FLIP prints as TPR@FPR=1%; the two
    are different figures of one curve. Ties: equal scores share one operating point, and there is
    no interpolation, so with fewer than 1/`fpr` negatives it is the rate at no false positive.

    Raises:
        MetricError: see `facetrust.metrics.checked`; `fpr` not in [0, 1]; `positive` not known.

    Source: Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023), evaluation; ISO/IEC 30107-3 terms.
    """
    checked_share(fpr, "fpr")
    if positive not in ("attack", "live"):
        raise MetricError(f"positive must be 'attack' or 'live', not {positive!r}")
    _, apcer, bpcer = operating_points(labels, scores)
    false, missed = (bpcer, apcer) if positive == "attack" else (apcer, bpcer)
    return float(1 - missed[false <= fpr].min())
