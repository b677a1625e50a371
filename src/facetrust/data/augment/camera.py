"""What a camera and a messenger do to any picture, live or not, so that none of it can tell them apart.

Every function takes and returns (H, W, 3) uint8 RGB and draws from the generator handed in.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging import Pixels, fit_within
from facetrust.imaging.crop import Points
from facetrust.records import Box, Point


def degrade(image: Pixels, rng: np.random.Generator, *, strength: float = 1.0) -> Pixels:
    """Returns the picture under another light, lens, sensor and compression; each step is drawn by chance."""
    for step, chance in (
        (_light, 0.8),
        (_tint, 0.5),
        (_lens, 0.4),
        (_sensor, 0.3),
        (_shrink, 0.3),
        (_code, 0.5),
    ):
        if rng.random() < chance * min(strength, 1.0):
            image = step(image, rng, strength)
    if rng.random() < 0.05 * strength:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    return image


def tighten(image: Pixels, box: Box, rng: np.random.Generator) -> tuple[Pixels, Box]:
    """Returns a crop that the face nearly fills, as users hand in, and the box in it."""
    x, y, w, h = box
    side = max(w, h)
    reach = side * rng.uniform(0.0, 0.35, 4)
    left, top = max(0, round(x - reach[0])), max(0, round(y - reach[1]))
    right = min(image.shape[1], round(x + w + reach[2]))
    bottom = min(image.shape[0], round(y + h + reach[3]))
    if right - left < 16 or bottom - top < 16:
        return image, box
    return image[top:bottom, left:right], (x - left, y - top, w, h)


def jitter(box: Box, rng: np.random.Generator, *, shift: float = 0.08, scale: float = 0.12) -> Box:
    """Returns the box as another detector would draw it: moved by `shift` of its side, resized by `scale`."""
    x, y, w, h = box
    factor = np.exp(rng.uniform(-scale, scale))
    stretch = np.exp(rng.uniform(-scale, scale) / 2)
    wide, tall = w * factor * stretch, h * factor / stretch
    dx, dy = rng.uniform(-shift, shift, 2) * (w, h)
    return (x + (w - wide) / 2 + dx, y + (h - tall) / 2 + dy, wide, tall)


def tilt(
    image: Pixels, box: Box, points: Points | None, degrees: float
) -> tuple[Pixels, Box, list[Point] | None]:
    """Returns picture, box and points turned counterclockwise around the middle of the box, borders mirrored.

    The box keeps its size, for a detector's boxes are upright. Channels past the third hold classes, which
    are moved without mixing.
    """
    height, width = image.shape[:2]
    middle = (box[0] + box[2] / 2 - 0.5, box[1] + box[3] / 2 - 0.5)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    turned = [
        cv2.warpAffine(part, matrix, (width, height), flags=method, borderMode=cv2.BORDER_REFLECT_101)
        for part, method in ((image[:, :, :3], cv2.INTER_LINEAR), (image[:, :, 3:], cv2.INTER_NEAREST))
        if part.size
    ]
    moved = None if points is None else [tuple(map(float, matrix @ (x, y, 1))) for x, y in points]
    return np.dstack(turned), box, moved  # type: ignore[return-value]


def mirror(image: Pixels, box: Box) -> tuple[Pixels, Box]:
    """Returns picture and box flipped left to right."""
    flipped = np.asarray(cv2.flip(image, 1), dtype=np.uint8).reshape(image.shape)
    return flipped, (image.shape[1] - box[0] - box[2], *box[1:])


def mirror_points(points: Points, width: int) -> list[Point]:
    """Returns five points of a face in the picture flipped left to right, again in the picture's order."""
    eye, other_eye, nose, corner, other_corner = [(width - 1 - x, y) for x, y in points]
    return [other_eye, eye, nose, other_corner, corner]


def jitter_points(points: Points, rng: np.random.Generator, *, strength: float = 1.0) -> list[Point]:
    """Returns five points as another detector would find them, so that the face is aligned a little else.

    All together turned by up to 0.12 radians, resized by up to 8 % and moved by up to 6 % of the distance
    between the eyes, and each on its own with a deviation of 2 %.
    """
    places = np.asarray(points, np.float64)
    reach = float(np.linalg.norm(places[1] - places[0])) * strength
    angle, size = rng.uniform(-0.12, 0.12) * strength, np.exp(rng.uniform(-0.08, 0.08) * strength)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = places.mean(0)
    moved = (places - middle) @ turn.T + middle + rng.uniform(-0.06, 0.06, 2) * reach
    moved += rng.normal(0, 0.02, places.shape) * reach
    return [(float(x), float(y)) for x, y in moved]


def _light(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    gamma = np.exp(rng.uniform(-0.35, 0.35) * strength)
    gain, lift = np.exp(rng.uniform(-0.25, 0.25) * strength), rng.uniform(-0.06, 0.06) * strength
    levels = np.clip((np.arange(256) / 255.0) ** gamma * gain + lift, 0, 1) * 255
    return np.asarray(cv2.LUT(image, levels.astype(np.uint8)), dtype=np.uint8)


def _tint(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    saturation = np.float32(np.exp(rng.uniform(-0.5, 0.35) * strength))
    white = np.exp(rng.normal(0, 0.05, 3) * strength).astype(np.float32)
    # In place, for new memory costs more than the arithmetic.
    mixed: NDArray[np.float32] = np.subtract(image, grey[:, :, None], dtype=np.float32)
    mixed *= saturation
    mixed += grey[:, :, None]
    mixed *= white
    return np.clip(mixed, 0, 255, out=mixed).astype(np.uint8)


def _lens(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    reach = max(image.shape[:2]) / 256
    if rng.random() < 0.3:
        length = max(3, round(rng.uniform(3, 9) * reach * strength))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        middle, arm = (length - 1) / 2, (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
        start, end = np.round(middle - arm).astype(int), np.round(middle + arm).astype(int)
        cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0, 1)
        return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.uint8)
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(image, (0, 0), 1.0)
        return np.asarray(
            cv2.addWeighted(image, 1 + 0.8 * strength, soft, -0.8 * strength, 0), dtype=np.uint8
        )
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.2) * reach * strength), dtype=np.uint8
    )


def _sensor(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:  # in-camera denoising leaves coarser grain
        noise = cv2.GaussianBlur(noise, (0, 0), 0.8) * 2.0
    noise *= np.float32(rng.uniform(1, 9) * strength)
    noise += image
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def _shrink(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    longest = max(image.shape[:2])
    small, _ = fit_within(image, max(48, round(longest * np.exp(-rng.uniform(0.1, 1.2) * strength))))
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _code(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    quality = int(rng.integers(round(95 - 60 * min(strength, 1.0)), 96))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
