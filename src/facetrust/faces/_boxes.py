"""Boxes as rows x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


def suppress(
    boxes: Rows, confidences: Rows, *, overlap: float, of: str = "union", most: int | None = None
) -> NDArray[np.int64]:
    """Returns the indices of the boxes that no better box overlaps by more than `overlap`, best first.

    Args:
        boxes: (N, 4).
        confidences: (N,).
        of: the overlap's share of the `"union"` of both boxes or of the `"smaller"` one.
        most: how many are enough.
    """
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.argsort(-confidences, kind="stable")
    kept: list[np.int64] = []
    while order.size and (most is None or len(kept) < most):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        if of == "union":
            whole = areas[best] + areas[order] - shared
        else:
            whole = np.minimum(areas[best], areas[order])
        order = order[shared <= overlap * np.maximum(whole, 1e-9)]
    return np.asarray(kept, np.int64)


def squares(boxes: Rows) -> Rows:
    """Returns the boxes (N, 4) made square about their centres by their longer side."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True, initial=0) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def moved(boxes: Rows, offsets: Rows) -> Rows:
    """Returns the boxes (N, 4) with each edge moved by its offset (N, 4), given in sides of the box."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.tile(sides, 2)
