"""A whole picture made anew, as a decoder would: what it shows tells nothing, only the traces do."""

from __future__ import annotations

import numpy as np

from facetrust.data.simulate._blending import Blend
from facetrust.data.simulate.regeneration import WAYS
from facetrust.imaging import Pixels


def reconstruction(image: Pixels, rng: np.random.Generator) -> Blend:
    """Returns `(fake, real, mask)`: the picture made anew in one or two ways, itself, and a mask of ones.

    The ways are those of `regeneration`, over all of the picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        rng: all choices are drawn from it.
    """
    made = image.astype(np.float32)
    for at in rng.permutation(len(WAYS))[: rng.integers(1, 3)]:
        made = WAYS[int(at)](made, float(min(image.shape[:2])), rng)
    fake = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    return Blend(fake, image, np.ones(image.shape[:2], np.float32))
