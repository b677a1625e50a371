"""One file per protocol: who fits the threshold, who is reported, and what must never be the same.

A protocol takes scores (never a model) and returns a `Judgement`, which `report` renders.
"""

from facetrust.protocols._as_published import CHOSEN, PUBLISHED_COLUMNS, AsPublished, as_published
from facetrust.protocols._calibration import fit_calibration
from facetrust.protocols._judgement import Column, Figure, Judgement, Level, SpeciesFigures, clusters_of
from facetrust.protocols._literature import Published, published_for
from facetrust.protocols._over_seeds import OverSeeds, Spread, over_seeds
from facetrust.protocols._risk_coverage import Coverage, FittedLimit, fit_limit
from facetrust.protocols._threshold import check_apart, check_threshold_rule, fit_threshold
from facetrust.protocols._videos import RuleFigures, VideoRule, by_media, choose_rule

__all__ = [
    "CHOSEN",
    "PUBLISHED_COLUMNS",
    "AsPublished",
    "Column",
    "Coverage",
    "Figure",
    "FittedLimit",
    "Judgement",
    "Level",
    "OverSeeds",
    "Published",
    "RuleFigures",
    "SpeciesFigures",
    "Spread",
    "VideoRule",
    "as_published",
    "by_media",
    "check_apart",
    "check_threshold_rule",
    "choose_rule",
    "clusters_of",
    "fit_calibration",
    "fit_limit",
    "fit_threshold",
    "over_seeds",
    "published_for",
]
