"""Whether a map says the truth: what its places do to the score, where it points, and what it hangs on.

NumPy alone, and any scoring function, so that an exported model is measured without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UsageError

Map = NDArray[np.float32]
Values = NDArray[np.float64]
Scores = Callable[[NDArray[np.float32]], Values]

BLUR = 10.0  # Deviation of the blurred baseline, in pixels of a crop of 128.
STEPS = 32


class Curve(NamedTuple):
    """Scores (n + 1,) as more of a picture is changed, by the share (n + 1,) that is, from 0 to 1."""

    share: Values
    score: Values

    @property
    def area(self) -> float:
        """The area under the curve by the trapezoidal rule: the mean score on the way."""
        return float(np.trapezoid(self.score, self.share))


def blurred(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns an image (c, h, w) without its detail: by a Gaussian of 10 pixels in a crop of 128.

    It keeps the brightness and tint of each region, so that nothing is cut out with an edge of its own.
    """
    deviation = BLUR * min(image.shape[1:]) / 128
    planes = [cv2.GaussianBlur(plane, (0, 0), deviation, borderType=cv2.BORDER_REFLECT) for plane in image]
    return np.stack(planes).astype(np.float32)


def deletion(
    image: NDArray[np.float32],
    heat: Map,
    scores: Scores,
    baseline: NDArray[np.float32],
    *,
    steps: int = STEPS,
) -> Curve:
    """Returns the score as the hottest pixels of an image come to be those of the baseline, step by step.

    A map that finds what the score comes from makes it fall early: the smaller the area, the better. Pixels
    of equal heat are taken in an order drawn by a fixed seed.

    Args:
        image: (c, h, w), as the scoring function takes it.
        heat: (h, w), any units, or coarser; then it is drawn larger by lines between its cells' centres.
        scores: takes (n, c, h, w) and returns (n,).
        baseline: (c, h, w), such as `blurred(image)`.
        steps: how many times pixels are changed, as many each time.

    Raises:
        UsageError: there are no steps, or more than pixels.

    Source: Petsiuk et al. 2018, arXiv 1806.07421, "Causal metric for explanations".
    """
    return _exchange(image, baseline, heat, scores, steps)


def insertion(
    image: NDArray[np.float32],
    heat: Map,
    scores: Scores,
    baseline: NDArray[np.float32],
    *,
    steps: int = STEPS,
) -> Curve:
    """Returns the score as the baseline's hottest pixels come to be those of the image, step by step.

    The larger the area, the better. Arguments, errors and source are those of `deletion`.
    """
    return _exchange(baseline, image, heat, scores, steps)


def _exchange(
    start: NDArray[np.float32], end: NDArray[np.float32], heat: Map, scores: Scores, steps: int
) -> Curve:
    pixels = start.shape[1] * start.shape[2]
    if not 1 <= steps <= pixels:
        raise UsageError(f"steps={steps}: an image of {pixels} pixels is changed in 1 to {pixels} steps")
    fine = resized(heat, (start.shape[1], start.shape[2])).ravel()
    tie = np.random.default_rng(0).permutation(pixels)
    rank = np.empty(pixels, np.int64)
    rank[np.lexsort((tie, -fine))] = np.arange(pixels)
    counts = np.round(np.linspace(0, pixels, steps + 1)).astype(int)
    rank = rank.reshape(1, *start.shape[1:])
    stages = np.stack([np.where(rank < count, end, start) for count in counts])
    return Curve(counts / pixels, np.asarray(scores(stages), np.float64))


def resized(heat: Map, size: tuple[int, int]) -> Map:
    """Returns a map (h, w) at a size (height, width), by lines between the centres of its cells."""
    if heat.shape == size:
        return heat
    return np.asarray(cv2.resize(heat, size[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def pointing(heat: Map, mask: NDArray[np.bool_]) -> float:
    """Returns whether the hottest place of a map (h, w) lies on a mask (h, w): 1 or 0, the mean over ties.

    By chance it does as often as the mask's share of the picture says.

    Source: Zhang et al. 2016, arXiv 1608.00507, "pointing game", without their 15 pixels of tolerance.
    """
    return float(mask[heat == heat.max()].mean())


def mass(heat: Map, mask: NDArray[np.bool_]) -> float:
    """Returns the share of a map's (h, w) positive heat that lies on a mask (h, w), NaN of a map without any.

    A map that is the same everywhere has the mask's share of the picture.

    Source: Arras et al. 2022, arXiv 2003.07258, "relevance mass accuracy".
    """
    positive = np.maximum(heat.astype(np.float64), 0)
    return float(positive[mask].sum() / positive.sum()) if positive.any() else float("nan")


def rank_correlation(first: Map, second: Map) -> float:
    """Returns Spearman's correlation of two maps' values in [-1, 1], ties at their mean rank.

    NaN if a map is flat. Between the maps of a network and of the same one with random weights it should be
    near 0: a map that stays does not come from what was learnt.

    Source: Adebayo et al. 2018, arXiv 1810.03292, "Sanity Checks for Saliency Maps".
    """
    ranks = np.stack([_ranks(first.ravel()), _ranks(second.ravel())])
    ranks -= ranks.mean(1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(1))
    return float(ranks[0] @ ranks[1] / norms.prod()) if norms.all() else float("nan")


def _ranks(values: NDArray[np.float32]) -> Values:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)
