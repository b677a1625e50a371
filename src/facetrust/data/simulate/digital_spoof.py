"""Digital spoofs: a face blended over itself with fainter or stronger traces, for attacks of any kind."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate._blending import (
    Blend,
    Change,
    changed,
    filled,
    moved,
    pasted,
    window,
)
from facetrust.data.simulate._outline import faces
from facetrust.imaging import Pixels
from facetrust.records import Box, Point

_GRID = (224, 224)
_MINOR, _MAJOR = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0), (0.75, 1.0, 1.0, 1.0)


def digital_spoof(
    image: Pixels,
    box: Box,
    rng: np.random.Generator,
    *,
    points: Sequence[Point] | None = None,
    region: NDArray[np.bool_] | None = None,
    major: float = 0.5,
) -> Blend:
    """Returns `(fake, real, mask)`: the face blended over itself, the genuine picture, and the mask (H, W).

    Without parsing an OUTLINE OF THE FACE REPLACES ITS REGIONS (skin, brows, eyes, glasses, nose, mouth).

    Args:
        image: (H, W, 3) uint8 RGB with a genuine face, of any size.
        box: x, y, w, h of the face in pixels; it may reach outside the picture.
        rng: all choices are drawn from it.
        points: eyes, nose and mouth corners in pixels, the one further left in the picture first.
        region: (H, W), true on the face, such as parsing tells.
        major: chance of the stronger traces; the source does not say how often they come.

    Source: He et al., arXiv 2404.08450 (simulated digital spoofing clues), with the ranges of
    its released code. There the genuine picture stays as it is; here it is the target of the blend, so
    that what lies around the face tells nothing. Pixels of the mask are counted on a grid of 224 a side
    over the face and its margins.
    """
    strong = bool(rng.random() < major)
    change, on_source = _change(rng, strong=strong), bool(rng.random() < 0.5)
    at = window(image.shape[:2], box)
    reach = 0.04 if strong else 0.02
    scale, by = 1 + rng.uniform(-reach, reach, 2), rng.uniform(-reach, reach, 2) * (rng.random() < 0.5)
    move = moved(at, (by[0], by[1]), (scale[0], scale[1]))
    bend = rng.normal(0, 4, (2, 6, 6)).astype(np.float32)
    mask = filled(faces(box, points, region), at, _GRID, move, bend).astype(np.float32)
    for side in (3, 5) if rng.random() < 0.5 else (5, 3):
        mask = np.asarray(cv2.GaussianBlur(mask, (side, side), 3), dtype=np.float32)
    mask = np.minimum(mask, 1) * np.float32(rng.choice(_MAJOR if strong else _MINOR))
    return pasted(image, at, change, mask=mask, move=move, on_source=on_source)


def as_surroundings(image: Pixels, rng: np.random.Generator, *, major: float = 0.5) -> Pixels:
    """Returns a genuine picture as the surroundings of such a spoof are: changed in half of the cases."""
    change = _change(rng, strong=bool(rng.random() < major))
    return changed(image, change) if rng.random() < 0.5 else image


def _change(rng: np.random.Generator, *, strong: bool) -> Change:
    hue, saturation, value, light = (9, 9, 20, 0.2) if strong else (5, 5, 10, 0.1)
    coarsest, alpha = (0.25, (0.2, 0.5)) if strong else (0.35, (0.1, 0.3))
    hsv = rng.uniform(-1, 1, 3) * (hue, saturation, value) * (rng.random() < 0.5)
    gain, lift = rng.uniform(-light, light, 2) * (rng.random() < 0.5)
    order = rng.permutation(3) if strong and rng.random() < 0.03 else np.arange(3)
    shrink = 1 / rng.uniform(coarsest, 0.65) if rng.random() < 0.4 else 1.0
    sharpen = (rng.uniform(*alpha), rng.uniform(0.5, 1.0)) if rng.random() < 0.5 else None
    return Change(
        hsv=(float(hsv[0]), float(hsv[1]), float(hsv[2])),
        gain=1 + float(gain),
        lift=255 * float(lift),
        shuffle=(int(order[0]), int(order[1]), int(order[2])),
        shrink=shrink,
        blocky=True,
        sharpen=sharpen,
    )
