"""One camera for both labels: light, white balance, lens, sensor and coding, drawn wide, on the crop itself.

What a camera adds must not tell an attack from a live face. Here it is drawn so widely, and from one
distribution for both labels, that tint, brightness and sharpness are no longer worth learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.disturb import disturb
from facetrust.imaging import Pixels

Values = NDArray[np.float32]
_DARKEST, _BRIGHTEST = 16.0, 215.0
CODECS = ("jpeg", "webp", "h264")
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def degrade(
    crop: Pixels, rng: np.random.Generator, *, strength: float = 1.0, codecs: Sequence[str] = ("jpeg",)
) -> Pixels:
    """Returns a crop (h, w, 3) uint8 RGB as some camera would have handed it over, same size.

    At strength 1: blur of 0 to 2 pixels, resolution down to a quarter, white balance with a deviation of
    0.15, gain 0.22 to 1.9, gamma 0.6 to 1.6, saturation 0 to 1.4 and grey in every seventh, noise of up to
    10 levels, JPEG or WebP of quality 15 to 95, H.264 with a constant rate factor of 18 to 40; each drawn by
    chance. Lengths count pixels of the crop.

    Args:
        rng: draws everything.
        strength: scales the ranges; 0 changes nothing.
        codecs: names in `CODECS`, one of which is drawn; one that comes twice is drawn twice as often.

    Raises:
        MissingExtra: `h264` was drawn, and PyAV is not installed.
    """
    values = crop.astype(np.float32)
    if rng.random() < 0.45 * strength:
        values = _lens(values, rng, strength)
    if rng.random() < 0.4 * strength:
        values = _resolution(values, rng, strength)
    values = _light(values, rng, strength)
    if rng.random() < 0.4 * strength:
        values = _sensor(values, rng, strength)
    made = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return _coded(made, rng, strength, codecs) if rng.random() < 0.6 * strength else made


def turned(crop: Pixels, quarters: int) -> Pixels:
    """Returns a square crop (h, h, C) turned counterclockwise by so many quarters."""
    return np.ascontiguousarray(np.rot90(crop, quarters))


def _light(values: Values, rng: np.random.Generator, strength: float) -> Values:
    if rng.random() < 0.5 * strength:  # as if the white balance had been set on the face itself
        means = np.maximum(cv2.mean(values)[:3], 1.0)
        values = values * (means.mean() / means).astype(np.float32)
    if rng.random() < 0.8:
        white = np.exp(rng.normal(0, 0.15 * strength, 3)).astype(np.float32)
        white /= np.float32(np.exp(np.mean(np.log(white))))
        gain = np.exp(rng.uniform(-1.5, 0.64) * strength) if rng.random() < 0.8 else 1.0
        level = max(1.0, float(values.mean()))
        # A picture that is dark or bright already stays one in which something can be seen.
        gain = min(max(gain, min(1.0, _DARKEST / level)), max(1.0, _BRIGHTEST / level))
        values = np.asarray(values * (white * np.float32(gain)), np.float32)
    draw = rng.random()
    if draw < 0.15 * strength:
        values = np.asarray(np.repeat((values @ _GREY)[:, :, None], 3, axis=2), np.float32)
    elif draw < 0.6 * strength:
        grey = (values @ _GREY)[:, :, None]
        values = np.asarray(grey + np.float32(rng.uniform(0, 1.4)) * (values - grey), np.float32)
    if rng.random() < 0.5 * strength:
        gamma = np.float32(np.exp(rng.uniform(-0.5, 0.47) * strength))
        values = np.asarray(np.clip(values / 255, 0, 1) ** gamma * 255, np.float32)
    return np.asarray(np.clip(values, 0, 255))


def _lens(values: Values, rng: np.random.Generator, strength: float) -> Values:
    draw = rng.random()
    if draw < 0.2:  # sharpened
        soft = cv2.GaussianBlur(values, (0, 0), 1.0)
        return values + np.float32(rng.uniform(0.2, 1.0) * strength) * (values - soft)
    if draw < 0.4:  # moved
        length = int(rng.integers(3, 3 + max(1, round(5 * strength))))
        kernel = np.zeros((length, length), np.float32)
        angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
        arm = middle * np.array([np.cos(angle), np.sin(angle)])
        start, end = np.rint(middle - arm).astype(int), np.rint(middle + arm).astype(int)
        cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0, 1)
        return np.asarray(cv2.filter2D(values, -1, kernel / kernel.sum()))
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(0.2, rng.uniform(0.2, 2.2) * strength)))


def _resolution(values: Values, rng: np.random.Generator, strength: float) -> Values:
    height, width = values.shape[:2]
    factor = np.exp(-rng.uniform(0.1, 1.4) * strength)
    small = (max(8, round(width * factor)), max(8, round(height * factor)))
    shrink, enlarge = (
        rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR]),
        rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]),
    )
    reduced = cv2.resize(values, small, interpolation=int(shrink))
    return np.asarray(cv2.resize(reduced, (width, height), interpolation=int(enlarge)))


def _sensor(values: Values, rng: np.random.Generator, strength: float) -> Values:
    grain = rng.standard_normal(values.shape, dtype=np.float32)
    if rng.random() < 0.5:  # in-camera denoising leaves coarser grain
        grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 2.0
    return values + grain * np.float32(rng.uniform(1, 10) * strength)


def _coded(crop: Pixels, rng: np.random.Generator, strength: float, codecs: Sequence[str]) -> Pixels:
    codec = codecs[0] if len(codecs) == 1 else codecs[int(rng.integers(len(codecs)))]
    if codec == "h264":
        return disturb(crop, "h264", strength=18 + rng.uniform(0, 22) * min(strength, 1.0), rng=rng)
    quality = int(rng.integers(round(95 - 80 * min(strength, 1.0)), 96))
    suffix, flag = _STORED[codec]
    _, data = cv2.imencode(suffix, crop, [flag, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


_STORED = {
    "jpeg": (".jpg", cv2.IMWRITE_JPEG_QUALITY),
    "webp": (".webp", cv2.IMWRITE_WEBP_QUALITY),
}
