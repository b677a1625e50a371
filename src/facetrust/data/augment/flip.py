"""Views of one face that a network should take for the same one: FLIP's picture recipes.

Every function takes and returns (H, W, 3) uint8 RGB and draws from the generator handed in.
Source: Srivatsan et al., FLIP, ICCV 2023, and its code; the views are SimCLR's (Chen et al., ICML 2020)
with torchvision's definitions. Steps on hue and saturation are done in float, not in 8-bit HSV.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging import Pixels

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
JITTER, HUE = 0.4, 0.1


def base(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns the picture with its HSV saturation times U(0.8, 1.2), every other time."""
    return _saturate(image, rng.uniform(0.8, 1.2)) if rng.random() < 0.5 else image


def view(image: Pixels, size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Returns a part of the picture in other colours, (h, w, 3) with `size` = (h, w).

    A window of 8 to 100 % of the area is resized, bilinear or, where it shrinks, by area; then come, by
    chance, colour jitter (0.8), grey (0.2), blur with sigma U(0.1, 2) pixels (0.5), a flip left to right
    (0.5).
    """
    image = _resize(_part(image, rng), size)
    if rng.random() < 0.8:
        image = _jitter(image, rng)
    if rng.random() < 0.2:
        image = _grey(image)
    if rng.random() < 0.5:
        image = _blur(image, rng.uniform(0.1, 2.0))
    return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image


def _part(image: Pixels, rng: np.random.Generator) -> Pixels:
    top, left, height, width = _window(image.shape[0], image.shape[1], rng)
    return image[top : top + height, left : left + width]


def _window(tall: int, wide: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Returns top, left, height, width; after ten windows that do not fit, the largest in the middle."""
    for _ in range(10):
        area = tall * wide * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= wide and 0 < height <= tall:
            return int(rng.integers(tall - height + 1)), int(rng.integers(wide - width + 1)), height, width
    ratio = min(max(wide / tall, RATIO[0]), RATIO[1])
    width, height = min(wide, round(tall * ratio)), min(tall, round(wide / ratio))
    return (tall - height) // 2, (wide - width) // 2, height, width


def _resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    shrinking = image.shape[0] > size[0] and image.shape[1] > size[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=method), dtype=np.uint8)


def _jitter(image: Pixels, rng: np.random.Generator) -> Pixels:
    steps = (_brighten, _contrast, _colour, _turn)
    for number in rng.permutation(4):
        factor = rng.uniform(-HUE, HUE) if number == 3 else rng.uniform(1 - JITTER, 1 + JITTER)
        image = steps[number](image, factor)
    return image


def _brighten(image: Pixels, factor: float) -> Pixels:
    return _blend(image, 0.0, factor)


def _contrast(image: Pixels, factor: float) -> Pixels:
    return _blend(image, _grey(image).mean(dtype=np.float32), factor)


def _colour(image: Pixels, factor: float) -> Pixels:
    return _blend(image, _grey(image).astype(np.float32), factor)


def _blend(image: Pixels, other: float | NDArray[np.float32], factor: float) -> Pixels:
    """Returns `other` at factor 0, the picture at 1, and goes on beyond."""
    mixed = other + np.float32(factor) * (image - np.float32(other))
    return np.asarray(np.rint(np.clip(mixed, 0, 255)), dtype=np.uint8)


def _turn(image: Pixels, factor: float) -> Pixels:
    """Returns the picture with its hues moved by `factor` of the full circle."""
    hsv = _hsv(image)
    hsv[:, :, 0] = (hsv[:, :, 0] + 360 * factor) % 360
    return _rgb(hsv)


def _saturate(image: Pixels, factor: float) -> Pixels:
    hsv = _hsv(image)
    hsv[:, :, 1] = np.minimum(hsv[:, :, 1] * factor, 1)
    return _rgb(hsv)


def _hsv(image: Pixels) -> NDArray[np.float32]:
    """Returns hue in [0, 360), saturation and value in [0, 1]."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV), dtype=np.float32)


def _rgb(hsv: NDArray[np.float32]) -> Pixels:
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.asarray(np.rint(np.clip(rgb, 0, 1) * 255), dtype=np.uint8)


def _grey(image: Pixels) -> Pixels:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)


def _blur(image: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)
