"""Media (videos, mostly): their rows become one score by a rule, and the rule is chosen on dev."""

from __future__ import annotations

from typing import Literal

from facetrust.errors import UnknownName
from facetrust.fusion import ROBUST, UNTIMED, rule_named
from facetrust.metrics.auc import auc
from facetrust.metrics.eer import eer
from facetrust.records import Record, Scores, Split

ON_DEV = "dev"
_FEWEST = 2


class RuleFigures(Record):
    """What a rule reaches over media. It is chosen by the figures on dev; that on test is for audit only."""

    rule: str
    dev_auc: float
    dev_eer: float
    test_auc: float


class VideoRule(Record):
    """The rule of a medium's score, who chose it, on which dev media, and what every rule reaches.

    `chosen` is `on dev`, `by name` (the user's), or `by default` where dev has too few media.
    """

    name: str
    chosen: Literal["on dev", "by name", "by default"]
    manifest: str
    split: Split
    bona_fide: int
    attacks: int
    tried: tuple[RuleFigures, ...]


def by_media(scores: Scores, rule: str = "mean") -> Scores:
    """Returns one row per medium, its score made of the medium's rows by a rule, in the order of first sight.

    Scores do not say which of several faces a row shows, and `prepare` cuts one face per frame: a medium
    is one track. `efficient-vit` therefore gives what `mean` gives here; it differs over several faces. Nor
    do they say when a frame was shown: `worst-stretch` takes them for a quarter of a second apart.

    An attack made from a photo may carry the photo's name as its medium, so rows are put together
    by medium, label and attack. A row without a medium stays alone. `sample` is the first row's.

    Raises:
        UnknownName: no such rule, see `facetrust.fusion.rule_named`.
    """
    import polars as pl

    fusion = rule_named(rule)
    rows = scores.rows.with_columns(
        pl.coalesce("media", "sample").alias("_medium"), pl.col("score").fill_null(float("nan"))
    )
    first = [pl.col(name).first() for name in ("sample", "media", "subject", "domain")]
    table = rows.group_by("_medium", "label", "attack", maintain_order=True).agg(*first, pl.col("score"))
    values = [fusion.of_video([fusion.of_track(track, None)]) for track in table["score"].to_list()]
    return Scores(table.with_columns(pl.Series("score", values, pl.Float64)), scores.made_by)


def choose_rule(test: Scores, dev: Scores, *, wanted: str = ON_DEV) -> VideoRule:
    """Returns the rule of a medium's score, with the figures of all rules.

    That is the one with the highest AUC over dev media; of equal ones that with the lowest EER on dev,
    then `trimmed-mean`, then `mean`. With fewer than two dev media of either label it is `trimmed-mean`.
    Test never chooses.

    Args:
        test: scores of the reported rows.
        dev: of dev rows.
        wanted: `dev`, or the name of a rule, which is then taken.

    Raises:
        UnknownName: `wanted` is neither.
        MetricError: test or dev lacks a class, or has NaN scores.
    """
    check_rule(wanted)
    tried = tuple(_tried(name, test, dev) for name in UNTIMED)
    labels = by_media(dev).labels
    attacks = int(labels.sum())
    bona_fide = len(labels) - attacks
    name, chosen = wanted, "by name"
    if wanted == ON_DEV and min(bona_fide, attacks) < _FEWEST:
        name, chosen = ROBUST, "by default"
    elif wanted == ON_DEV:
        # Of equal ones `max` takes the first, and the robust rule is the first of all.
        name, chosen = max(tried, key=lambda each: (each.dev_auc, -each.dev_eer)).rule, "on dev"
    return VideoRule(
        name=name,
        chosen=chosen,
        manifest=dev.made_by.manifest,
        split=dev.made_by.split,
        bona_fide=bona_fide,
        attacks=attacks,
        tried=tried,
    )


def check_rule(wanted: str) -> None:
    """Checks that `wanted` is a rule's name or `dev`.

    Raises:
        UnknownName: it is neither.
    """
    if wanted not in (ON_DEV, *UNTIMED):
        raise UnknownName("rule of a video's score", wanted, (ON_DEV, *UNTIMED))


def _tried(name: str, test: Scores, dev: Scores) -> RuleFigures:
    ours, theirs = by_media(test, name), by_media(dev, name)
    return RuleFigures(
        rule=name,
        dev_auc=auc(theirs.labels, theirs.scores),
        dev_eer=eer(theirs.labels, theirs.scores),
        test_auc=auc(ours.labels, ours.scores),
    )
