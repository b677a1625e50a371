"""What must not tell an attack from a live face: colours, light and sharpness, and the camera of both."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment import any_camera
from facetrust.data.augment.sharpness import blur_to, sharpness
from facetrust.imaging import Pixels
from facetrust.records import Box

Plane = NDArray[np.float32]
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_LOOK = 112  # Pixels: sharpness is compared in the middle of a larger face.
_GRID = 64  # Pixels a side at which colours are compared.


def captured(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns a picture (H, W, 3) as some camera in some light takes it; the same draws for both labels.

    Light falls from one side (`lit`); then `any_camera.degrade`: white balance, gain, gamma, saturation,
    blur, resolution, noise and compression.
    """
    return any_camera.degrade(lit(image, rng), rng)


def lit(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns a picture (H, W, 3) in light from one side: more there, and as much less opposite."""
    height, width = image.shape[:2]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(strength * np.cos(angle))
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(strength * np.sin(angle))
    return np.clip(image * (1 + across + down[:, None])[:, :, None], 0, 255).astype(np.uint8)


def softened(medium: Plane, box: Box, rng: np.random.Generator) -> Plane:
    """Returns a medium (H, W, 3) as a lens blurs it, by a sigma of 0.2 to 1.2 % of the face's longer side."""
    sigma = rng.uniform(0.002, 0.012) * max(box[2:])
    return np.asarray(cv2.GaussianBlur(medium, (0, 0), sigma), dtype=np.float32)


def exposed(medium: Plane, face: Pixels, box: Box) -> Plane:
    """Returns a medium (H, W, 3), 0 to 1, as a camera shows it that is set for the live face.

    In the face's box the mean and the deviation of each channel, and then the mean saturation, become those
    of the live picture `face` (H, W, 3), as by automatic exposure, white balance and an attacker's care.
    """
    medium = medium * np.float32(255)
    now, then = _sampled(medium, box), _sampled(face, box).astype(np.float32)
    (mean, spread), (level, contrast) = (cv2.meanStdDev(pixels) for pixels in (now, then))
    gain = np.clip(contrast / np.maximum(spread, 1e-3), 0.4, 2.5)
    now = np.asarray(
        cv2.transform(now, np.column_stack([np.diag(gain[:, 0]), level - gain * mean])), np.float32
    )
    tint = np.asarray(level / max(float(_GREY @ level[:, 0]), 1.0), np.float64)
    chroma = _chroma(now, tint, _saturation(then))
    mixed = (np.eye(3) * chroma + (1 - chroma) * tint * _GREY) * gain.T
    shown = cv2.transform(medium, np.column_stack([mixed, level - mixed @ mean]))
    return np.asarray(np.clip(shown / np.float32(255), 0, 1), dtype=np.float32)


def focused(image: Pixels, like: Pixels, box: Box) -> Pixels:
    """Returns a picture (H, W, 3), blurred where its face is sharper than that of another of its size."""
    part = _middle(box, image.shape)
    sigma = blur_to(image[part], sharpness(like[part]))
    return image if sigma == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def _chroma(pixels: Plane, tint: NDArray[np.float64], wanted: float) -> float:
    """How much (h, w, 3) pixels must differ from their mean tint, 0.5 to 2 times as now, for a saturation."""
    plain = cv2.transform(pixels, tint * _GREY)
    low, high = 0.5, 2.0
    for _ in range(5):
        middle = float(np.sqrt(low * high))
        mixed = np.asarray(cv2.addWeighted(pixels, middle, plain, 1 - middle, 0), np.float32)
        below = _saturation(mixed) < wanted
        low, high = (middle, high) if below else (low, middle)
    return float(np.sqrt(low * high))


def _saturation(pixels: Plane) -> float:
    """Mean saturation, 0 to 1, of (h, w, 3) pixels, 0 to 255."""
    levels = cv2.convertScaleAbs(np.maximum(pixels, 0))
    return float(cv2.mean(cv2.cvtColor(levels, cv2.COLOR_RGB2HSV))[1]) / 255


def _sampled(image: NDArray[Any], box: Box) -> NDArray[Any]:
    """Returns evenly spaced rows and columns of the face, (h, w, 3)."""
    rows, columns = _part(box, image.shape)
    face = image[rows, columns]
    step = max(1, min(face.shape[:2]) // _GRID)
    return np.ascontiguousarray(face[::step, ::step])


def _middle(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x, y, w, h = box
    wide, tall = min(w, _LOOK), min(h, _LOOK)
    return _part((x + (w - wide) / 2, y + (h - tall) / 2, wide, tall), shape)


def _part(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a box that lie in the picture; all of it where fewer than 8 do."""
    x, y, w, h = (round(value) for value in box)
    rows, columns = slice(max(0, y), min(y + h, shape[0])), slice(max(0, x), min(x + w, shape[1]))
    if rows.stop - rows.start < 8 or columns.stop - columns.start < 8:
        return slice(0, shape[0]), slice(0, shape[1])
    return rows, columns
