"""Many scores become one: those of crops a face's, those of frames a track's, those of tracks a video's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UnknownName

ROBUST = "trimmed-mean"

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
    """How a track's scores become one, and how the tracks' scores become the video's."""

    of_track: Callable[[Sequence[float]], float]
    of_video: Callable[[Sequence[float]], float]


def rule_named(name: str) -> Rule:
    """Returns a rule by its name.

    `trimmed-mean`: a track's mean without the lowest and highest fifth; the worst track decides.
    `mean`: a track's mean; the worst track decides.
    `efficient-vit`: a track's mean; then `first_confident`.

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
}
RULES = tuple(_RULES)
