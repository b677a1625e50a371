"""What a blend leaves to be found: how much of the face it covers and changes, and how soft its seam is."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate._blending import Blend
from facetrust.imaging import Pixels
from facetrust.records import Box

MEANINGS = {
    "area": "share of the face's box where the mask is above half its height",
    "strength": "the mask's height, 1 where the source replaces the target",
    "seam": "steepest step of the mask from a pixel to the next, as a share of its height",
    "inside": "mean change, fake against real, where the mask is above half its height (levels of 255)",
    "colour": "change of the mean colour there, the mean over R, G and B (levels of 255)",
    "detail": "fine detail there, Laplacian energy of the fake over the real's (1: as much)",
    "outside": "mean change, fake against real, where the mask is 0 (levels of 255)",
    "around": "mean change, real against the untouched picture, where the mask is 0 (levels of 255)",
}


class Traces(NamedTuple):
    """Statistics of one blend; `MEANINGS` says what each is."""

    area: float
    strength: float
    seam: float
    inside: float
    colour: float
    detail: float
    outside: float
    around: float


def traces(original: Pixels, box: Box, blend: Blend) -> Traces:
    """Returns the statistics of a blend.

    A box that reaches outside the picture is cut to it. Where no pixel is looked at (a mask that is 0
    everywhere, a box beside the picture), a statistic is 0.

    Args:
        original: (H, W, 3) uint8 RGB, the picture that the blend was made of.
        box: x, y, w, h of the face in pixels.
        blend: the fake, the genuine picture beside it, and the mask, of the same size.
    """
    height = float(blend.mask.max(initial=0.0))
    inner, outer = blend.mask > height / 2, blend.mask == 0
    across, down = (np.abs(np.diff(blend.mask, axis=axis)).max(initial=0.0) for axis in (0, 1))
    return Traces(
        area=_mean(inner[_part(box)]),
        strength=height,
        seam=float(max(across, down)) / height if height else 0.0,
        inside=_mean(_change(blend.fake, blend.real)[inner]),
        colour=_mean(np.abs(_means(blend.fake, inner) - _means(blend.real, inner))),
        detail=_energy(blend.fake, inner) / max(_energy(blend.real, inner), 1e-6) if inner.any() else 0.0,
        outside=_mean(_change(blend.fake, blend.real)[outer]),
        around=_mean(_change(blend.real, original)[outer]),
    )


def _part(box: Box) -> tuple[slice, slice]:
    x, y, w, h = box
    columns, rows = (
        slice(max(0, round(start)), max(0, round(start + side))) for start, side in ((x, w), (y, h))
    )
    return rows, columns


def _change(one: Pixels, other: Pixels) -> NDArray[np.float64]:
    return np.asarray(np.abs(one.astype(np.int16) - other).mean(2), dtype=np.float64)


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else 0.0


def _means(image: Pixels, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(image[where].mean(axis=0) if where.any() else np.zeros(3), dtype=np.float64)


def _energy(image: Pixels, where: NDArray[np.bool_]) -> float:
    """Mean square of the Laplacian of the grey picture."""
    detail = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    return float(np.mean(detail[where] ** 2))
