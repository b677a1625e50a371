"""Trivial measures of a face crop. What they tell of the label, a network need not understand faces for."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.sharpness import sharpness
from facetrust.imaging import Pixels, crop_face
from facetrust.records import Box, Preprocessing

Values = NDArray[np.float64]

BINS = 16
_LEAST = 3  # Pixels per side: a smaller crop has no texture.
_WHOLE = Preprocessing(margins=(1.0,), size=(128, 128), square=False)  # The face, where no crop is named.
_WINDOW = 256  # Pixels: a larger crop is looked at through its middle, for speed.


def laplacian(crop: Pixels) -> float:
    """Returns the variance of the Laplacian of the grey crop (h, w, 3): how sharp it is; 0 or more."""
    return float(cv2.Laplacian(_grey(crop), cv2.CV_64F).var())


def saturation(crop: Pixels) -> float:
    """Returns the mean saturation of the crop (h, w, 3) in [0, 1]."""
    return float(cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)[:, :, 1].mean() / 255.0)


def tint(crop: Pixels) -> float:
    """Returns the natural log of the crop's (h, w, 3) mean blue over mean red: 0 of grey, more of cool."""
    red, _, blue = crop.reshape(-1, 3).mean(axis=0) + 1.0  # A level more, so that black has a tint.
    return float(np.log(blue / red))


def spectrum(crop: Pixels) -> Values:
    """Returns the (16,) natural log of the mean power per ring of frequency, 0 to half a cycle per pixel.

    Taken at the crop's own size, through a Hann window; rings that a tiny crop does not fill are
    interpolated. Finer grain, halftone, moiré and JPEG blocks show in the outer rings.
    """
    grey = _grey(crop).astype(np.float64)
    top, left = (max(0, (side - _WINDOW) // 2) for side in grey.shape)
    grey = grey[top : top + _WINDOW, left : left + _WINDOW]
    window = np.outer(np.hanning(grey.shape[0] + 2)[1:-1], np.hanning(grey.shape[1] + 2)[1:-1])
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2 / (window**2).sum()
    down, across = np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1])[None, :]
    ring = np.minimum((np.hypot(down, across) * 2 * BINS).astype(int), BINS).ravel()
    count = np.bincount(ring, minlength=BINS + 1)[:BINS]
    mean = np.bincount(ring, power.ravel(), minlength=BINS + 1)[:BINS] / np.maximum(count, 1)
    filled = np.flatnonzero(count)
    return np.interp(np.arange(BINS), filled, np.log(mean[filled] + 1e-3))


PROBES: dict[str, Callable[[Pixels], float | Values]] = {
    "laplacian": laplacian,
    "sharpness": sharpness,
    "saturation": saturation,
    "tint": tint,
    "spectrum": spectrum,
}
# What these measure depends on the size, so that they measure a crop of the network's: its view of the face.
OF_CROPS = ("sharpness",)


def probed_face(image: Pixels, box: Box) -> Pixels:
    """Returns the part of a picture that most probes measure: the face's box, without a model's margin.

    A box that reaches outside is cut at the picture's edge; the whole picture is returned where less than
    3 pixels per side are left of it.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: x, y, w, h in pixels.
    """
    left, top, width, height = (round(side) for side in box)
    face = image[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    return np.ascontiguousarray(face) if min(face.shape[:2]) >= _LEAST else image


def probe_values(image: Pixels, box: Box, preprocessing: Preprocessing | None = None) -> dict[str, Values]:
    """Returns each probe's values (d,) of the face at `box` in a picture (H, W, 3) uint8 RGB.

    They measure `probed_face`, and those of `OF_CROPS` the first crop that `preprocessing` cuts; without one,
    that face at 128 x 128 pixels.
    """
    face = probed_face(image, box)
    if preprocessing is None:
        crop = crop_face(face, (0, 0, face.shape[1], face.shape[0]), _WHOLE)
    else:
        crop = crop_face(image, box, preprocessing)
    return {
        name: np.atleast_1d(np.asarray(probe(crop if name in OF_CROPS else face), np.float64))
        for name, probe in PROBES.items()
    }


def separation(labels: NDArray[np.int64], values: Values) -> float:
    """Returns the area under the ROC curve: the chance that an attack has the higher value, ties halved.

    Args:
        labels: (N,) 0 or 1.
        values: (N,).

    Returns NaN where only one label occurs.
    """
    positive = int(labels.sum())
    negative = labels.size - positive
    if not positive or not negative:
        return float("nan")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _grey(crop: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
