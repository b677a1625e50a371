"""What a print shows to a camera: ink in halftone screens or blue-noise dots, on paper that may be bent."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.records import Box

Plane = NDArray[np.float32]
_SIDE = 64  # Of the threshold mask that repeats.
_ANGLES = (15, 75, 0)  # Of cyan's, magenta's and yellow's screens, in degrees, as printers set them.


def printed(image: Plane, rng: np.random.Generator) -> Plane:
    """Returns a picture (H, W, 3), 0 to 1, as ink on paper."""
    colours = image ** np.float32(rng.uniform(0.8, 1.25))
    black = np.float32(rng.uniform(0.03, 0.22))
    paper = rng.uniform(0.78, 1.0) * (1 + rng.normal(0, 0.03, 3))
    draw = rng.random()
    if draw < 0.5:
        colours = halftone(colours, rng)
    elif draw < 0.85:
        colours = dithered(colours, rng)
    inked = black + colours * (paper - black).astype(np.float32)
    if draw > 0.85 or rng.random() < 0.15:  # lines of a worn or coarse print head
        rows = cv2.GaussianBlur(rng.normal(0, 1, (image.shape[0], 1)).astype(np.float32), (1, 5), 0)
        inked += rows[:, :, None] * np.float32(rng.uniform(0.01, 0.04))
    return inked + _fibres(image.shape[:2], rng, rng.uniform(0.004, 0.025))[:, :, None]


def halftone(image: Plane, rng: np.random.Generator) -> Plane:
    """Returns the picture as dots whose size says how dark it is, a turned screen for each ink.

    Periods are 1.8 to 6 pixels; the lens softens the dots.
    """
    period, turn = np.exp(rng.uniform(np.log(1.8), np.log(6.0))), rng.uniform(0, np.pi / 2)
    hardness = np.float32(rng.uniform(0.5, 1.0) * period)
    strength = np.float32(np.exp(rng.uniform(np.log(0.06), np.log(0.6))))
    y = np.arange(image.shape[0], dtype=np.float32)[:, None]
    x = np.arange(image.shape[1], dtype=np.float32)
    dotted = np.empty_like(image)
    for channel, degrees in enumerate(_ANGLES):
        angle = turn + np.deg2rad(degrees)
        across, down = (np.float32(2 * np.pi * f(angle) / period) for f in (np.cos, np.sin))
        # cos u cos v of the turned axes u and v is half of the sum of two waves.
        first = np.cos(x * (across - down) + y * (across + down))
        screen = 0.5 * (first + np.cos(x * (across + down) + y * (down - across)))
        level = image[:, :, channel]
        dot = np.clip(0.5 + hardness * (level - 0.5 + 0.45 * screen), 0, 1)
        dotted[:, :, channel] = level + strength * (dot - level)
    return dotted


def dithered(image: Plane, rng: np.random.Generator) -> Plane:
    """Returns the picture as blue-noise dots of 0.6 to 2 pixels, an own mask for each ink."""
    height, width = image.shape[:2]
    dot = rng.uniform(0.6, 2.0)
    fine = (max(8, round(width / dot)), max(8, round(height / dot)))
    strength = np.float32(np.exp(rng.uniform(np.log(0.06), np.log(0.5))))
    smooth = cv2.resize(image, fine, interpolation=cv2.INTER_LINEAR)
    mask, tiles = blue_noise(), (fine[1] // _SIDE + 1, fine[0] // _SIDE + 1)
    inks = [np.roll(mask, tuple(rng.integers(_SIDE, size=2)), (0, 1)) for _ in range(3)]
    thresholds = np.dstack([np.tile(ink, tiles)[: fine[1], : fine[0]] for ink in inks])
    dots = (smooth > thresholds).astype(np.float32)
    how = cv2.INTER_AREA if dot < 1 else cv2.INTER_LINEAR
    return np.asarray(image + strength * (cv2.resize(dots, (width, height), interpolation=how) - image))


@lru_cache(maxsize=1)
def blue_noise() -> Plane:
    """Returns a (64, 64) mask of evenly spread thresholds in (0, 1) whose neighbours differ; it repeats.

    White noise, of which what is smooth is taken away and what is left ranked, a few times over.
    """
    values = np.random.default_rng(0).random((_SIDE, _SIDE))
    far = np.fft.fftfreq(_SIDE)
    fine = 1 - np.exp(-2 * (np.pi * 1.5) ** 2 * (far[:, None] ** 2 + far**2))
    for _ in range(20):
        detail = np.fft.ifft2(np.fft.fft2(values) * fine).real
        values = (detail.ravel().argsort().argsort().reshape(detail.shape) + 0.5) / detail.size
    return values.astype(np.float32)


def bent(medium: Plane, box: Box, rng: np.random.Generator) -> Plane:
    """Returns a sheet (H, W, 3) bent to a part of a cylinder, its axis through the face, upright or slanting.

    Its radius is 0.9 to 3 sides of the face. What lies beyond the cylinder's edge stays as it is there.
    """
    x, y, w, h = box
    radius, angle = rng.uniform(0.9, 3.0) * max(w, h), rng.uniform(0, np.pi)
    across = np.array([np.cos(angle), np.sin(angle)], np.float32)
    centre = (x + w / 2, y + h / 2)
    columns = np.arange(medium.shape[1], dtype=np.float32) - np.float32(centre[0])
    rows = (np.arange(medium.shape[0], dtype=np.float32) - np.float32(centre[1]))[:, None]
    aside = np.clip((columns * across[0] + rows * across[1]) / np.float32(radius), -0.95, 0.95)
    stretched = np.float32(radius) * (np.arcsin(aside) - aside)
    at = [
        np.asarray(part + np.float32(offset) + direction * stretched, np.float32)
        for part, offset, direction in ((columns, centre[0], across[0]), (rows, centre[1], across[1]))
    ]
    sheet = cv2.remap(medium, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = 1 + np.float32(rng.uniform(-0.3, 0.3)) * aside
    return np.asarray(sheet * light[:, :, None], dtype=np.float32)


def _fibres(size: tuple[int, int], rng: np.random.Generator, strength: float) -> Plane:
    noise = rng.standard_normal(size, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8) * np.float32(2 * strength), dtype=np.float32)
