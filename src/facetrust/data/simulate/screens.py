"""What a display shows to a camera: its light, and moiré of its subpixels on the sensor's grid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# Rows of subpixels as they repeat, and how many stand side by side in one pixel of the display.
LAYOUTS = {
    "RGB": (("RGB",), 3),
    "BGR": (("BGR",), 3),
    "RGBG": (("RGBG", "BGRG"), 2),
    "RGBW": (("RGBW", "BWRG"), 2),
}
_LIGHT = {"R": (1, 0, 0), "G": (0, 1, 0), "B": (0, 0, 1), "W": (1, 1, 1)}
_TEXELS = 12  # A pixel of the display is drawn with so many a side.
_APERTURE = 0.8  # Side of the light-sensitive part of a sensor's pixel.


def displayed(image: Plane, rng: np.random.Generator) -> Plane:
    """Returns a picture (H, W, 3), 0 to 1, as light of a display that a camera looks at."""
    white = 1 + rng.normal(0, 0.06, 3)
    glow = np.float32(rng.uniform(0.0, 0.12))
    shown = image ** np.float32(rng.uniform(0.75, 1.3))
    shown = (1 - glow) * shown * white.astype(np.float32) + np.float32(glow)
    shown *= moire(image.shape[:2], rng)
    if rng.random() < 0.25:  # refresh, seen line by line
        y = np.arange(image.shape[0], dtype=np.float32)
        bands = np.sin(2 * np.pi * y / (rng.uniform(0.15, 1.2) * len(y)) + rng.uniform(0, 6.3))
        shown *= (1 + rng.uniform(0.02, 0.1) * bands).astype(np.float32)[:, None, None]
    return shown


def moire(size: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Returns (H, W, 3) factors around 1: the subpixels of a slightly tilted display on the grid of a sensor.

    A sensor's pixel sees 0.3 to 2.6 pixels of the display a side. The deviation is drawn between 1 and 15 %,
    evenly by its logarithm (2 to 30 % of the light; Cai et al., arXiv 2409.03501).
    """
    layout, pitch = str(rng.choice(sorted(LAYOUTS))), np.exp(rng.uniform(np.log(0.3), np.log(2.6)))
    sampled = on_sensor(layout, size, pitch=pitch, tilt=_tilt(size, rng))
    mean, deviation = (values[:, 0] for values in cv2.meanStdDev(sampled))
    strength = np.exp(rng.uniform(np.log(0.01), np.log(0.15))) / max(float(deviation.max()), 0.02)
    return np.asarray(np.float32(strength) * sampled + (1 - strength * mean).astype(np.float32))


def on_sensor(
    layout: str, size: tuple[int, int], *, pitch: float, tilt: NDArray[np.float64] | None = None
) -> Plane:
    """Returns (H, W, 3) light of a white display on a sensor.

    What the aperture of a sensor's pixel leaves of the pattern is sampled at its middle, red and blue at
    every second pixel only. Where that is too coarse the pattern beats with the grid, as on real sensors.

    Args:
        layout: one of `LAYOUTS`.
        size: height and width of the sensor.
        pitch: pixels of the display along a side of a sensor's pixel.
        tilt: (3, 3) perspective of the sensor's grid; none if the display stands straight.
    """
    seen = _averaged(subpixels(layout), max(1, round(_APERTURE * pitch * _TEXELS)))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    to_display = np.diag([pitch * _TEXELS, pitch * _TEXELS, 1]) @ (np.eye(3) if tilt is None else tilt)
    sampled = cv2.warpPerspective(seen, to_display, size[::-1], flags=how, borderMode=cv2.BORDER_WRAP)
    for channel in (0, 2):  # Bayer's mosaic
        sparse = np.ascontiguousarray(sampled[::2, ::2, channel])
        sampled[:, :, channel] = cv2.resize(sparse, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(sampled, dtype=np.float32)


def subpixels(layout: str) -> Plane:
    """Returns (h, w, 3) light of the smallest part of a display that repeats, 12 samples a pixel's side.

    Subpixels are strips with a dark gap between them.
    """
    rows, side_by_side = LAYOUTS[layout]
    wide = _TEXELS // side_by_side
    light = np.array([[_LIGHT[letter] for letter in row] for row in rows], np.float32)
    drawn = light.repeat(_TEXELS, 0).repeat(wide, 1)
    drawn[::_TEXELS] = drawn[1::_TEXELS] = 0
    drawn[:, ::wide] = 0
    return drawn


def _averaged(pattern: Plane, side: int) -> Plane:
    """The mean over a square around each sample; the pattern goes on beyond its edges."""
    wrapped = np.pad(pattern, ((side, side), (side, side), (0, 0)), mode="wrap")
    mean = cv2.blur(wrapped, (side, side))
    return np.ascontiguousarray(mean[side:-side, side:-side])


def _tilt(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns a (3, 3) matrix: turned by up to 15 degrees, or by a little, and seen slightly from a side."""
    angle = rng.normal(0, 0.03) if rng.random() < 0.5 else rng.uniform(-0.26, 0.26)
    cos, sin = np.cos(angle), np.sin(angle)
    from_side = rng.uniform(-0.12, 0.12, 2) / size[::-1]
    by = rng.uniform(0, 24, 2)
    return np.array([[cos, -sin, by[0]], [sin, cos, by[1]], [*from_side, 1.0]])
