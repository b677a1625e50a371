"""A face that was made anew from few numbers and blended in again, as re-enactment and restoration leave it.

No generator is run. What decoders leave is drawn in three ways: a loss of resolution between two unlike
filters, the uneven gain of a transposed convolution, and coefficients that are cut and quantised. All ranges
are this module's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate._blending import Blend, Plane, blended, window
from facetrust.data.simulate._outline import faces
from facetrust.data.simulate.self_blend import draw, soft_mask
from facetrust.imaging import Pixels
from facetrust.records import Box, Point

_STILL = np.eye(2, 3)
_SHRINK = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
_ENLARGE = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_FEWEST = 48  # pixels across that a face keeps


def regeneration(
    image: Pixels,
    box: Box,
    rng: np.random.Generator,
    *,
    points: Sequence[Point] | None = None,
    region: NDArray[np.bool_] | None = None,
) -> Blend:
    """Returns `(fake, real, mask)`: the face made anew, the picture itself, and the mask (H, W).

    Args:
        image: (H, W, 3) uint8 RGB with a genuine face.
        box: x, y, w, h of the face in pixels; it may reach outside the picture.
        rng: all choices are drawn from it.
        points: eyes, nose and mouth corners in pixels; guessed from the box without them.
        region: (H, W), true on the face; it takes the place of the outline.
    """
    at, draws = window(image.shape[:2], box), draw(rng)
    mask = soft_mask(faces(box, points, region, top=draws.top), at, _STILL, draws)
    way = WAYS[int(rng.integers(len(WAYS)))]
    here = np.ascontiguousarray(image[at.part])
    if here.size:
        made = way(here.astype(np.float32), min(box[2:]), rng)
        made = made * np.float32(1 + rng.normal(0, 0.015, 3)) + np.float32(rng.normal(0, 2, 3))
        here = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    return blended(here, image, at, mask)


def _resampled(face: Plane, side: float, rng: np.random.Generator) -> Plane:
    """Shrunk by 1.3 to 3 with one filter and enlarged with another; half of them are sharpened after that."""
    factor = min(rng.uniform(1.3, 3.0), max(1.0, side / _FEWEST))
    size = face.shape[1::-1]
    small = (max(1, round(size[0] / factor)), max(1, round(size[1] / factor)))
    coarse = cv2.resize(face, small, interpolation=int(rng.choice(_SHRINK)))
    made = cv2.resize(coarse, size, interpolation=int(rng.choice(_ENLARGE)))
    if rng.random() < 0.5:
        made = made + np.float32(rng.uniform(0.3, 1.0)) * (made - cv2.GaussianBlur(made, (0, 0), 1.2))
    return np.asarray(made, np.float32)


def _transposed(face: Plane, side: float, rng: np.random.Generator) -> Plane:
    """Halved, and doubled by a transposed convolution: stride 2, a tent of 4 x 4 with uneven weights."""
    height, width = face.shape[:2]
    even = cv2.copyMakeBorder(face, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    tent = np.outer((1, 3, 3, 1), (1, 3, 3, 1)) / 16.0 * (1 + rng.normal(0, rng.uniform(0.02, 0.15), (4, 4)))
    spread = np.zeros_like(even)
    spread[::2, ::2] = cv2.resize(
        even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA
    )
    kernel = (tent * 4 / tent.sum()).astype(np.float32)
    made = cv2.filter2D(spread, -1, kernel, anchor=(2, 2), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(made[:height, :width], np.float32)


def _quantised(face: Plane, side: float, rng: np.random.Generator) -> Plane:
    """The lower cosines of blocks of 8 or 16, in steps, averaged over four ways to lay the blocks."""
    block = int(rng.choice((8, 16)))
    kept, step = rng.uniform(0.3, 0.7) * block, np.float32(rng.uniform(2, 16) * block / 8)
    order = np.arange(block)
    basis = np.cos(np.pi * (order[None] + 0.5) * order[:, None] / block) * np.sqrt(2 / block)
    basis[0] /= np.sqrt(2)
    basis = basis.astype(np.float32)
    low = (order[:, None] + order[None] <= kept)[:, :, None]
    height, width = face.shape[:2]
    made = np.zeros_like(face)
    for top, left in ((0, 0), (0, block // 2), (block // 2, 0), (block // 2, block // 2)):
        bottom, right = -(height + top) % block, -(width + left) % block
        padded = cv2.copyMakeBorder(face, top, bottom, left, right, cv2.BORDER_REFLECT_101)
        rows, columns = padded.shape[0] // block, padded.shape[1] // block
        cells = padded.reshape(rows, block, columns, block, 3).transpose(0, 2, 1, 3, 4)
        waves = np.einsum("ui,rcijk,vj->rcuvk", basis, cells, basis, optimize=True)
        waves = np.where(low, np.rint(waves / step) * step, 0)
        cells = np.einsum("ui,rcuvk,vj->rcijk", basis, waves, basis, optimize=True)
        whole = cells.transpose(0, 2, 1, 3, 4).reshape(padded.shape)
        made += whole[top : top + height, left : left + width] / 4
    return made


WAYS: tuple[Callable[[Plane, float, np.random.Generator], Plane], ...] = (
    _resampled,
    _transposed,
    _quantised,
)
