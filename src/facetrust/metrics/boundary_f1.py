"""F1 of the boundary of one class of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facetrust.errors import MetricError

TOLERANCE = 0.0075  # Of the picture's diagonal, as in the source.


def boundary_f1(truth: ArrayLike, answer: ArrayLike, *, index: int, tolerance: float = TOLERANCE) -> float:
    """Returns 2 P R / (P + R), in [0, 1], of the boundary of the class `index` in one picture.

    P is the share of the answer's boundary that lies nearer to the true one than the tolerance, R the share
    of the true one that lies so near to the answer's. Where one of them has no boundary, F1 is 0. A boundary
    is the pixels of the class beside, above or below another one; the picture's edge is none.

    Args:
        truth, answer: masks (H, W) of class indices.
        index: the class.
        tolerance: in shares of the picture's diagonal; the distance is Euclid's, between pixels' middles.

    Raises:
        MetricError: masks are flat lists or of two shapes, the tolerance is not above 0, or the class has
            no boundary in either.

    Source: Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic segmentation?, BMVC
        2013, section 3.
    """
    masks = np.asarray(truth), np.asarray(answer)
    if masks[0].ndim != 2 or masks[0].shape != masks[1].shape:
        raise MetricError(f"masks must be of one shape (H, W), not {masks[0].shape} and {masks[1].shape}")
    if not tolerance > 0:
        raise MetricError(f"tolerance must be above 0, not {tolerance}")
    true, said = (_boundary(mask == index) for mask in masks)
    if not (true.any() or said.any()):
        raise MetricError(f"class {index} has a boundary neither in the mask nor in the answer")
    reach = tolerance * float(np.hypot(*true.shape))
    precision, recall = _share_near(said, true, reach), _share_near(true, said, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    wide = np.pad(inside, 1, mode="edge")
    within = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return np.asarray(inside & ~within)


def _share_near(points: NDArray[np.bool_], others: NDArray[np.bool_], reach: float) -> float:
    """The share of points that have one of the others nearer than `reach`; 0 where there are no points."""
    rows, columns = np.nonzero(points)
    if not rows.size:
        return 0.0
    far = int(np.ceil(reach))
    around, near = np.pad(others, far), np.zeros(len(rows), bool)
    for down, right in np.ndindex(2 * far + 1, 2 * far + 1):
        if np.hypot(down - far, right - far) < reach:
            near |= around[rows + down, columns + right]
    return float(near.mean())
