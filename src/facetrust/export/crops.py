"""Crops of faces on which an exported file is held against what it was made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrust.data.manifest import Manifest
from facetrust.imaging import box_of, crops_of, read_image
from facetrust.records import Preprocessing, Split


def crops_of_rows(
    manifests: Sequence[Manifest], how: Preprocessing, split: Split, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Returns crops (N, M, h, w, 3) and labels (N,) of a split; at most `count` rows of each manifest.

    Raises:
        ManifestError: no rows in that split.
        ImageError: a picture cannot be read, or has no points where the card aligns by them.
    """
    made, labels = [], []
    for manifest in manifests:
        part = manifest.only(split)
        samples = part.samples()
        chosen = np.unique(np.linspace(0, len(samples) - 1, count).astype(int))
        for sample in (samples[i] for i in chosen):
            image = read_image(part.path_of(sample))
            box = box_of(sample, image)
            made.append(crops_of(image, box, how, points=sample.points))
            labels.append(float(sample.label or 0))
    return np.asarray(made), np.array(labels)


def noise(how: Preprocessing, count: int = 8) -> NDArray[np.uint8]:
    """Returns crops (N, M, h, w, 3) of noise, the same every time."""
    shape = (count, len(how.margins), *how.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
