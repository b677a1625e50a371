"""Rules: how the many scores of a video become one, first along each track, then over the tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from facetrust.errors import UnknownName

ROBUST = "trimmed-mean"

_CUT = 0.2  # Share of a track's scores left out at either end.
_FACES = 3
_SURE = 0.55


class Rule(NamedTuple):
    """How a track's scores become one, and how the tracks' scores become the video's."""

    of_track: Callable[[Sequence[float]], float]
    of_video: Callable[[Sequence[float]], float]


def rule_named(name: str) -> Rule:
    """Returns a rule by its name.

    `trimmed-mean`: a track's mean without the lowest and highest fifth; the worst track decides.
    `mean`: a track's mean; the worst track decides.
    `efficient-vit`: a track's mean; then `first_sure`.

    Raises:
        UnknownName: no such rule.
    """
    if name not in _RULES:
        raise UnknownName("rule of a video's score", name, _RULES)
    return _RULES[name]


def mean(scores: Sequence[float]) -> float:
    """Returns the mean of at least one score."""
    return float(np.mean(scores))


def trimmed_mean(scores: Sequence[float]) -> float:
    """Returns the mean without the lowest and highest fifth, rounded down: nothing is cut from under five."""
    cut = int(len(scores) * _CUT)
    return mean(sorted(scores)[cut : len(scores) - cut])


def first_sure(scores: Sequence[float]) -> float:
    """Returns the first of up to three faces' scores above 0.55 where there are several, else their mean.

    Faces are the tracks in the order in which they appear. As in the code of D. Coccomini et al.,
    Combining EfficientNet and Vision Transformers for Video Deepfake Detection, arXiv 2107.02612, which
    then decides at 0.6; here the card's threshold decides.
    """
    considered = scores[:_FACES]
    sure = [score for score in considered if score > _SURE]
    return sure[0] if sure and len(considered) > 1 else mean(considered)


_RULES = {
    ROBUST: Rule(trimmed_mean, max),
    "mean": Rule(mean, max),
    "efficient-vit": Rule(mean, first_sure),
}
RULES = tuple(_RULES)
