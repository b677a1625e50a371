"""Sharpness without contrast, and pictures blurred until they are no sharper than another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from facetrust.imaging import Pixels
from facetrust.records import Box

_STEPS = 7  # Halvings of the interval that holds the blur's sigma.
_TINY = 1e-6


def sharpness(crop: Pixels) -> float:
    """Returns the Laplacian's variance over that of the crop, channel means made equal; 0 or more.

    Neither light nor contrast nor tint changes it, but for clipping: what is left is how much of the detail
    is fine. It depends on the crop's size, so that only crops of one size are compared.

    Args:
        crop: (h, w, 3) uint8 RGB.
    """
    means = np.maximum(cv2.mean(crop)[:3], 1.0)
    # The plain mean of the three channels, each scaled to their common level.
    grey = cv2.transform(crop.astype(np.float32), (means.mean() / means / 3)[None])
    return _variance(cv2.Laplacian(grey, cv2.CV_32F)) / max(_variance(grey), _TINY)


def _variance(values: np.ndarray[Any, Any]) -> float:
    return float(cv2.meanStdDev(values)[1][0, 0]) ** 2


def blurred_to(crop: Pixels, level: float, *, most: float = 4.0) -> Pixels:
    """Returns the crop (h, w, 3) blurred by the least Gaussian that takes its sharpness to `level` or below.

    Unchanged if it is not sharper; blurred with sigma `most` pixels if even that is not enough.
    """
    sigma = blur_to(crop, level, most=most)
    return crop if sigma == 0 else np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), dtype=np.uint8)


def blur_to(
    crop: Pixels, level: float, *, most: float = 4.0, measure: Callable[[Pixels], float] = sharpness
) -> float:
    """Returns the sigma in pixels that `blurred_to` takes; 0 where the crop is no sharper than `level`.

    Args:
        measure: how sharp a blurred crop is.
    """
    if measure(crop) <= level:
        return 0.0
    low, high = 0.15, most
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        soft = np.asarray(cv2.GaussianBlur(crop, (0, 0), middle), dtype=np.uint8)
        low, high = (low, middle) if measure(soft) <= level else (middle, high)
    return high


def equally_sharp(one: Pixels, other: Pixels, box: Box, *, most: float = 4.0) -> tuple[Pixels, Pixels]:
    """Returns two pictures (H, W, 3) of one size, the sharper face's blurred to the other's sharpness.

    Args:
        box: x, y, w, h of the face in pixels, in which sharpness is measured.
        most: largest sigma of the blur in pixels.
    """
    left, top, width, height = (max(0, round(side)) for side in box)

    def measure(image: Pixels) -> float:
        part = image[top : top + height, left : left + width]
        return sharpness(np.ascontiguousarray(part if part.size else image))

    levels = measure(one), measure(other)
    sharper, level = (one, levels[1]) if levels[0] > levels[1] else (other, levels[0])
    sigma = blur_to(sharper, level, most=most, measure=measure)
    if sigma == 0:
        return one, other
    soft = np.asarray(cv2.GaussianBlur(sharper, (0, 0), sigma), dtype=np.uint8)
    return (soft, other) if sharper is one else (one, soft)
