"""Many scores become one: those of crops a face's, those of frames a track's, those of tracks a video's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UnknownName

ROBUST = "trimmed-mean"
WORST_STRETCH = "worst-stretch"

# Of `worst-stretch`, chosen on development clips by benchmarks/video_rules.py; see docs/video.md.
STRETCH = 1.0  # Seconds.
MARGIN = 1.0  # By how much a stretch's logit is lowered, as the worst of many is high by chance alone.
_FEWEST = 3  # Scores that make a stretch where they lie far apart, so that one alone decides nothing.
_CLOSE = 1e-9  # Seconds by which times differ that are meant to be equal.
_STEP = 0.25  # Seconds between scores whose times are not known.

_EPSILON = 1e-7  # Keeps the logit of a score of 0 or 1 finite.
_SHORT = 1e-12  # A shorter embedding has no direction.
_CUT = 0.2  # Share of a track's scores left out at either end.
_FACES = 3
_CONFIDENT = 0.55


def of_crops(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns scores (N, M) of M crops each in [0, 1] as (N,): the sigmoid of the mean logit."""
    if scores.shape[1] == 1:
        return scores[:, 0]
    clipped = np.clip(scores, _EPSILON, 1 - _EPSILON)
    return sigmoid(np.log(clipped / (1 - clipped)).mean(axis=1))


def of_faces(values: NDArray[np.float64], output: str) -> NDArray[np.float64]:
    """Returns answers (N, M, ...) to M crops of each face as one per face (N, ...).

    Scores by their mean logit; embeddings by their mean, of unit length again; class probabilities by
    their mean.
    """
    if output == "score":
        return of_crops(values)
    mean = values.mean(axis=1)
    if output == "embedding":
        return np.asarray(mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), _SHORT))
    return np.asarray(mean)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns 1 / (1 + exp(-logits)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float64)


class Rule(NamedTuple):
    """How a track's scores become one, and how the tracks' scores become the video's.

    `of_track` takes scores and their times in seconds, rising, or None where these are not known.
    """

    of_track: Callable[[Sequence[float], Sequence[float] | None], float]
    of_video: Callable[[Sequence[float]], float]


def rule_named(name: str) -> Rule:
    """Returns a rule by its name.

    `trimmed-mean`: a track's mean without the lowest and highest fifth; the worst track decides.
    `mean`: a track's mean; the worst track decides.
    `efficient-vit`: a track's mean; then `first_confident`.
    `worst-stretch`: a track's worst second, lowered, or its trimmed mean; the worst track decides.

    Raises:
        UnknownName: no such rule.
    """
    if name not in _RULES:
        raise UnknownName("rule of a video's score", name, _RULES)
    return _RULES[name]


def mean(scores: Sequence[float], times: Sequence[float] | None = None) -> float:
    """Returns the mean of at least one score."""
    return float(np.mean(scores))


def trimmed_mean(scores: Sequence[float], times: Sequence[float] | None = None) -> float:
    """Returns the mean without the lowest and highest fifth, rounded down: nothing is cut from under five."""
    cut = int(len(scores) * _CUT)
    return mean(sorted(scores)[cut : len(scores) - cut])


def worst_stretch(
    scores: Sequence[float],
    times: Sequence[float] | None = None,
    *,
    stretch: float = STRETCH,
    margin: float = MARGIN,
) -> float:
    """Returns the highest mean of any stretch of time, lowered, or the trimmed mean if that is higher.

    A stretch begins at any score and holds those that follow within `stretch` seconds, but at least three, as
    far as there are so many. One that ends with the track and is part of a longer one does not count.

    Args:
        scores: N >= 1 in [0, 1].
        times: of the scores, in seconds, rising; a quarter of a second apart without.
        stretch: seconds.
        margin: by how much the logit of the stretch's mean is lowered.
    """
    values = np.asarray(scores, np.float64)
    at = _STEP * np.arange(len(values)) if times is None else np.asarray(times, np.float64)
    firsts = np.arange(len(values))
    ends = np.maximum(np.searchsorted(at, at + stretch - _CLOSE), np.minimum(firsts + _FEWEST, len(values)))
    whole = np.diff(ends, prepend=0) > 0
    sums = np.concatenate([[0.0], np.cumsum(values)])
    worst = float(((sums[ends] - sums[firsts]) / (ends - firsts))[whole].max())
    # The sigmoid of the logit less the margin, which takes 0 and 1 too.
    lowered = worst / (worst + (1 - worst) * math.exp(margin))
    return max(trimmed_mean(scores), lowered)


def first_confident(scores: Sequence[float]) -> float:
    """Returns the first of up to three faces' scores above 0.55 where there are several, else their mean.

    Faces are the tracks in the order in which they appear. As in the code of D. Coccomini et al.,
    Combining EfficientNet and Vision Transformers for Video Deepfake Detection, arXiv 2107.02612, which
    then decides at 0.6; here the card's threshold decides.
    """
    considered = scores[:_FACES]
    sure = [score for score in considered if score > _CONFIDENT]
    return sure[0] if sure and len(considered) > 1 else mean(considered)


_RULES = {
    ROBUST: Rule(trimmed_mean, max),
    "mean": Rule(mean, max),
    "efficient-vit": Rule(mean, first_confident),
    WORST_STRETCH: Rule(worst_stretch, max),
}
RULES = tuple(_RULES)
UNTIMED = tuple(name for name in RULES if name != WORST_STRETCH)  # Those that need no times.
