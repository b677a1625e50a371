"""The columns of a report on attacks: the metrics' titles, and what they mean in the words of a task."""

from __future__ import annotations

from facetrust.protocols._judgement import Column
from facetrust.tasks import task_named

_SPACE = "\N{NO-BREAK SPACE}"


def attack_columns(task: str) -> tuple[Column, ...]:
    """Returns the columns of `dev-threshold`, in the order of its figures."""
    negative, positive = task_named(task).decisions
    return (
        Column(
            metric="auc",
            title="AUC",
            percent=False,
            higher_is_better=True,
            meaning=f"The chance that a random {positive} scores above a random {negative}; equal scores "
            "count half. 0.5 is guessing.",
        ),
        _error(
            "eer",
            "EER",
            "Where pooled APCER and BPCER are equal on these rows; no threshold is fixed before, so it "
            "flatters.",
        ),
        _error("hter", "HTER", "Mean of APCER over all attacks pooled and BPCER, at the dev threshold."),
        _error(
            "apcer",
            "APCER worst",
            f"Share of attacks taken for {negative} at the threshold, of the worst species (ISO/IEC "
            "30107-3).",
        ),
        _error(
            "bpcer", "BPCER", f"Share of {negative} taken for an attack at the threshold (ISO/IEC 30107-3)."
        ),
        _error(
            "acer",
            "ACER",
            "Mean of the worst species' APCER and BPCER. Customary, not part of the standard.",
        ),
        Column(
            metric="tpr@fpr=1%",
            title=f"TPR @ FPR 1{_SPACE}%",
            higher_is_better=True,
            meaning=f"Share of attacks found at the threshold that stops at most 1 % of {negative}, chosen "
            "on these rows. With live as positive it is 1 − BPCER @ APCER 1 % (pooled), another figure.",
        ),
        *(
            _error(
                f"bpcer@apcer={rate}%",
                f"BPCER @ APCER {rate}{_SPACE}%",
                f"Lowest BPCER at which no species' APCER is above {rate} %, chosen on these rows.",
            )
            for rate in (1, 5)
        ),
        Column(
            metric="ece",
            title="ECE",
            percent=False,
            higher_is_better=False,
            meaning="Mean distance of the score from the share of attacks among rows scored alike, 15 equal "
            "bins.",
        ),
    )


def _error(metric: str, title: str, meaning: str) -> Column:
    return Column(metric=metric, title=title, higher_is_better=False, meaning=meaning)
