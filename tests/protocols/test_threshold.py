from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import MetricError, ProtocolError, UsageError
from facetrust.protocols import check_apart, fit_threshold
from facetrust.records import Provenance, Threshold

LABELS = [0, 0, 0, 0, 1, 1, 1, 1]
SCORES = [0.1, 0.2, 0.5, 0.7, 0.4, 0.6, 0.8, 0.9]


def _value(rule, labels=LABELS, scores=SCORES, **settings):
    return fit_threshold(rule, labels, scores, manifest="feed", split="dev", **settings).value


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("eer", 0.55),  # One of four missed, one of four stopped, anywhere in (0.5, 0.6].
        ("apcer@0%", 0.3),
        ("apcer@25%", 0.55),
        ("apcer@0.25", 0.55),
        ("apcer@2.5e-1", 0.55),
        ("bpcer@0%", 0.75),
        ("bpcer@25%", 0.55),
        ("bpcer@99%", 0.15),
        ("bpcer@100%", 0.1),
    ],
)
def test_lies_halfway_between_the_neighbouring_scores(rule, expected):
    assert _value(rule) == pytest.approx(expected)


# Attacks' and bona fide scores; the two thresholds that are equally near, and the one that is to be taken.
@pytest.mark.parametrize(
    ("attacks", "bona_fide", "expected"),
    [
        # (APCER, BPCER) is (1/4, 1/2) over 0.3 and (1/2, 1/4) over 0.5: equal sums, the lower threshold.
        ([0.3, 0.5, 0.9, 0.9], [0.1, 0.1, 0.5, 0.9], 0.4),
        # (1/4, 1/2) over 0.3 and (3/4, 1/2) over 0.5: the lower sum comes first.
        ([0.3, 0.5, 0.5, 0.9], [0.1, 0.1, 0.9, 0.9], 0.4),
        # (1/2, 3/4) over 0.1 and (1/2, 1/4) over 0.5: the lower sum comes last.
        ([0.1, 0.1, 0.9, 0.9], [0.1, 0.5, 0.5, 0.9], 0.7),
    ],
)
def test_of_equally_near_thresholds_the_lower_sum_then_the_lower_one(attacks, bona_fide, expected):
    labels = [1] * len(attacks) + [0] * len(bona_fide)
    assert _value("eer", labels, [*attacks, *bona_fide]) == pytest.approx(expected)


def test_rounding_breaks_no_tie():
    """(APCER, BPCER) is (1/10, 4/10) over 0.2 and (6/10, 3/10) over 0.4: as floats the second is nearer."""
    attacks, bona_fide = [0.2] + [0.4] * 5 + [0.9] * 4, [0.1] * 6 + [0.4] + [0.9] * 3
    assert abs(0.6 - 0.3) < abs(0.1 - 0.4)
    assert _value("eer", [1] * 10 + [0] * 10, [*attacks, *bona_fide]) == pytest.approx(0.3)


def test_the_worst_species_decides():
    species = [None] * 4 + ["print", "print", "replay", "replay"]
    assert _value("apcer@25%", species=species) == pytest.approx(0.3)


def test_remembers_where_it_was_fitted():
    threshold = fit_threshold("eer", LABELS, SCORES, manifest="feed", split="dev")
    assert (threshold.rule, threshold.manifest, threshold.split) == ("eer", "feed", "dev")


@pytest.mark.parametrize("rule", ["apcer@100%", "bpcer@0%"])
def test_is_finite_where_nothing_may_be_stopped(rule):
    value = _value(rule, [0, 1, 1], [0.9, 0.2, 0.3])
    assert 0.9 < value < 0.9000001


def test_stays_apart_where_no_number_lies_between():
    below = np.nextafter(0.5, 0)
    assert _value("eer", [0, 1], [below, 0.5]) == 0.5


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_loops(seed):
    chance = np.random.default_rng(seed)
    labels = np.r_[0, 1, chance.integers(0, 2, 20)]
    scores = chance.integers(0, 15, 22) / 10
    attacks, bona_fide = scores[labels == 1], scores[labels == 0]

    def missed(threshold):
        return sum(score < threshold for score in attacks) / len(attacks)

    def stopped(threshold):
        return sum(score >= threshold for score in bona_fide) / len(bona_fide)

    candidates = [*sorted(set(scores)), 2.0]
    eer = _value("eer", labels, scores)
    assert abs(missed(eer) - stopped(eer)) == min(abs(missed(c) - stopped(c)) for c in candidates)
    for share in (0.0, 0.1, 0.3):
        kept = _value(f"apcer@{share}", labels, scores)
        assert missed(kept) <= share
        assert stopped(kept) == min(stopped(c) for c in candidates if missed(c) <= share)
        kept = _value(f"bpcer@{share}", labels, scores)
        assert stopped(kept) <= share
        assert missed(kept) == min(missed(c) for c in candidates if stopped(c) <= share)


@pytest.mark.parametrize(
    "rule", ["", "eer@1%", "apcer", "apcer@", "apcer@x%", "apcer@2", "bpcer@-1%", "frr@1%", "apcer@nan"]
)
def test_an_unknown_rule_is_refused(rule):
    with pytest.raises(UsageError, match="no threshold rule"):
        _value(rule)


def test_far_is_the_share_of_label_0_that_is_accepted():
    labels, scores = [0] * 100 + [1], [*range(100), 99.5]
    assert _value("far@3%", labels, scores) == _value("bpcer@3%", labels, scores) == 96.5


def test_dev_rows_of_one_class_are_refused():
    with pytest.raises(MetricError, match="one class"):
        _value("eer", [1, 1], [0.1, 0.2])


def test_a_threshold_of_the_reported_split_is_refused():
    threshold = Threshold(value=0.5, rule="eer", manifest="feed", split="test")
    made_by = Provenance(model="tiny", version="1", task="antispoof", manifest="feed", split="test")
    with pytest.raises(ProtocolError, match=r"fitted on the test split of manifest feed, which is reported"):
        check_apart(threshold, made_by)
    check_apart(threshold, made_by.model_copy(update={"split": "dev"}))
    check_apart(threshold, made_by.model_copy(update={"manifest": "beef"}))


def test_every_domain_counts_alike_in_the_mean_of_their_bpcer():
    """A large domain of high scores decides alone when pooled, and as one of two when not."""
    scores = np.array([*np.linspace(0.5, 0.9, 90), *np.linspace(0.0, 0.4, 10), 0.95])
    labels = np.array([0] * 100 + [1])
    domains = ["large"] * 90 + ["small"] * 10 + ["large"]
    pooled = fit_threshold("bpcer@10%", labels, scores, manifest="m", split="dev")
    mean = fit_threshold("bpcer@10%/domain", labels, scores, manifest="m", split="dev", domains=domains)
    assert pooled.value > mean.value
    assert mean.rule == "bpcer@10%/domain"
    for threshold, weighted in ((pooled.value, False), (mean.value, True)):
        large, small = (scores[:90] >= threshold).mean(), (scores[90:100] >= threshold).mean()
        rate = (large + small) / 2 if weighted else 0.9 * large + 0.1 * small
        assert rate <= 0.1
    lower = np.sort(scores[:100])[np.sort(scores[:100]) < mean.value][-1]
    assert ((scores[:90] >= lower).mean() + (scores[90:100] >= lower).mean()) / 2 > 0.1


def test_every_domain_counts_alike_in_the_mean_of_their_apcer():
    """A large domain of low scores decides alone when pooled; a domain of genuine rows alone has no say."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(0, 1, 90), rng.normal(3, 1, 10), [-9.0, -9.0]])
    labels = np.array([1] * 100 + [0, 0])
    domains = ["large"] * 90 + ["small"] * 10 + ["large", "genuine"]
    pooled = fit_threshold("apcer@10%", labels, scores, manifest="m", split="dev")
    mean = fit_threshold("apcer@10%/domain", labels, scores, manifest="m", split="dev", domains=domains)
    assert pooled.value < mean.value
    assert mean.rule == "apcer@10%/domain"

    def rate(threshold: float) -> float:
        return float(((scores[:90] < threshold).mean() + (scores[90:100] < threshold).mean()) / 2)

    assert rate(mean.value) <= 0.1 < rate(np.sort(scores[scores >= mean.value])[0] + 1e-9)
    alone = fit_threshold("apcer@10%/domain", labels, scores, manifest="m", split="dev", domains=["a"] * 102)
    assert alone.value == pooled.value


def test_under_every_change_no_more_genuine_rows_are_stopped():
    """The lowest threshold that holds under the worst change; a row that is not judged is not stopped."""
    rng = np.random.default_rng(0)
    labels, scores = np.array([0] * 50 + [1] * 50), np.r_[rng.normal(0, 1, 50), rng.normal(3, 1, 50)]
    changed = {
        "as is": (labels, scores),
        "dark": ([0] * 40 + [1] * 9, np.r_[rng.normal(1, 2, 40), [-5.0] * 9]),
        "blurred": ([0] * 60, rng.normal(0, 1, 60)),
    }
    changed["blurred"][1][:20] = np.nan
    found = fit_threshold("bpcer@5%/change", labels, scores, manifest="m", split="dev", changed=changed)
    assert found.rule == "bpcer@5%/change"

    def worst(threshold: float) -> float:
        rows = [[value for label, value in zip(*pair, strict=True) if not label] for pair in changed.values()]
        return max(sum(value >= threshold for value in row) / len(row) for row in rows)

    values = np.concatenate([scores, *(values for _, values in changed.values())])
    lower = values[values < found.value].max()
    assert worst(found.value) <= 0.05 < worst(lower)
    alone = fit_threshold(
        "bpcer@5%/change", labels, scores, manifest="m", split="dev", changed={"as is": (labels, scores)}
    )
    assert alone.value <= fit_threshold("bpcer@5%", labels, scores, manifest="m", split="dev").value
    for none in (None, {}):
        with pytest.raises(UsageError, match="only where faces are tried under changes"):
            fit_threshold("bpcer@5%/change", labels, scores, manifest="m", split="dev", changed=none)


def test_under_every_change_no_more_attacks_pass():
    """The highest threshold that holds under the worst change; a row that is not judged does not pass."""
    rng = np.random.default_rng(1)
    labels, scores = np.array([0] * 50 + [1] * 50), np.r_[rng.normal(0, 1, 50), rng.normal(3, 1, 50)]
    dark = rng.normal(2, 1, 60)
    dark[:10] = np.nan
    changed = {"as is": (labels, scores), "dark": ([1] * 60 + [0], np.r_[dark, -9.0])}
    found = fit_threshold("apcer@5%/change", labels, scores, manifest="m", split="dev", changed=changed)

    def worst(threshold: float) -> float:
        return max((scores[50:] < threshold).mean(), np.nansum(dark < threshold) / 60)

    values = np.r_[scores, dark]
    higher = values[values >= found.value].min()
    assert worst(found.value) <= 0.05 < worst(np.nextafter(higher, np.inf))
    alone = fit_threshold(
        "apcer@5%/change", labels, scores, manifest="m", split="dev", changed={"as is": (labels, scores)}
    )
    assert alone.value == fit_threshold("apcer@5%", labels, scores, manifest="m", split="dev").value


@pytest.mark.parametrize(
    "rule", ["eer/domain", "bpcer@1%/", "apcer@1%/", "bpcer@1%/camera", "far@1%/change", "far@1%/domain"]
)
def test_only_bounds_go_by_domain(rule):
    with pytest.raises(UsageError, match="no threshold rule"):
        fit_threshold(rule, [0, 1], [0.1, 0.9], manifest="m", split="dev", domains=["a", "a"])


def test_domains_must_be_named_for_it():
    for kind in ("apcer", "bpcer"):
        with pytest.raises(UsageError, match=f"name no domains; use {kind}@1%$"):
            fit_threshold(f"{kind}@1%/domain", [0, 1], [0.1, 0.9], manifest="m", split="dev")
