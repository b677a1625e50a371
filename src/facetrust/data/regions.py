"""Where a face lies in a training picture, as a mask of its parts tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, UnknownName, UsageError
from facetrust.imaging import read_mask
from facetrust.imaging.inputs import PARTS
from facetrust.records import Sample


def mask_of(sample: Sample) -> Path | None:
    """Returns a row's own mask, or the one that `facetrust parse` wrote beside its picture; else None."""
    if sample.mask is not None:
        return Path(sample.mask)
    beside = Path(sample.path).with_suffix(PARTS)
    return beside if beside.is_file() else None


def check_region(samples: Sequence[Sample], classes: Sequence[str]) -> None:
    """Checks by the first mask that these classes occur in masks.

    Raises:
        UsageError: no row has a mask.
        UnknownName: the first mask knows no such class.
        ImageError: it cannot be read, or names no classes.
    """
    first = next((path for path in map(mask_of, samples) if path is not None), None)
    if first is None:
        raise UsageError(f"region={list(classes)}: no row has a mask, nor a {PARTS} file beside its picture")
    _, names = read_mask(first)
    for name in classes if names else ():
        if name not in names:
            raise UnknownName("class", name, names)


def face_region(sample: Sample, size: tuple[int, ...], classes: Sequence[str]) -> NDArray[np.bool_] | None:
    """Returns (H, W), true where a row's mask has one of the classes; None where the row has no mask.

    Args:
        sample: a row with absolute paths.
        size: (height, width, ...) of its picture, which the mask must have too.
        classes: names, of which the mask need not know all.

    Raises:
        ImageError: the mask cannot be read, has another size, or names none of the classes.
    """
    path = mask_of(sample)
    if path is None:
        return None
    mask, names = read_mask(path)
    if mask.shape != tuple(size[:2]):
        raise ImageError(f"{path}: is {mask.shape}, its picture {tuple(size[:2])} (height, width)")
    known = [names.index(name) for name in classes if name in names]
    if not known:
        raise ImageError(
            f"{path}: names none of {', '.join(classes)}; its classes: {', '.join(names) or 'none'}"
        )
    return np.asarray(np.isin(mask, known))
