"""Changes that leave a face what it is, and two controls that take tint, light and sharpness away.

A reader hands over a row's picture and the row itself, with box and points where they are in the picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.camera import mirror_points
from facetrust.data.augment.disturb import disturb, drawn
from facetrust.data.augment.sharpness import blur_to, sharpness
from facetrust.errors import UnknownName
from facetrust.imaging import Pixels, box_of, crop_face, read_image
from facetrust.records import Preprocessing, Sample

Shown = tuple[Pixels, Sample]
Read = Callable[[Sample], Shown]
_SIDE = 128  # Pixels of the face at which sharpness is compared.
_SAVED = 85  # JPEG quality of a screenshot that is passed on.
_FACE = Preprocessing(margins=(1.0,), size=(_SIDE, _SIDE))


class Change(NamedTuple):
    """What is done to a picture, how much of it, and in which unit that is counted."""

    kind: str
    strength: float
    unit: str

    @property
    def title(self) -> str:
        """The change as a table names it."""
        return f"{self.kind} {self.strength:g}{self.unit}".strip()


HARMLESS: tuple[Change, ...] = (
    *(Change("brightness", factor, " times") for factor in (0.25, 0.5, 0.75, 1.3, 1.8)),
    *(Change("gamma", power, "") for power in (0.6, 1.6)),
    Change("warm", 15, " %"),
    Change("cool", 15, " %"),
    *(Change("saturation", factor, " times") for factor in (0.5, 0)),
    *(Change("face-blur", share, " % of the face") for share in (1, 2)),
    *(Change("jpeg", quality, "") for quality in (50, 40, 15)),
    Change("mirror", 1, ""),
    *(Change("face-size", side, " px") for side in (112, 56)),
    Change("size", 50, " %"),
    Change("screenshot", 75, " %"),
    *(Change("turn", degrees, "°") for degrees in (90, 180, 270)),
    Change("tight", 1, ""),
)
CONTROLS = ("neutral", "matched")


def changed(image: Pixels, sample: Sample, kind: str, strength: float) -> Shown:
    """Returns the picture and row after a harmless change; `sample` itself where the face does not move.

    Args:
        image: (H, W, 3) uint8 RGB.
        sample: its row; without a box, the whole picture is the face.
        kind: `brightness` and `saturation` (factor), `gamma` (power), `warm` and `cool` (red up and blue
            down by so many per cent, or the reverse), `face-blur` (Gaussian, sigma in per cent of the
            face's longer side), `jpeg` (quality), `mirror`, `face-size` (pixels that the face's longer
            side is shrunk to), `size` (of the picture, in per cent), `screenshot` (shown at so many per
            cent of its size by a screen's quick resampling, and saved as JPEG 85), `turn` (degrees,
            counterclockwise), `tight` (cut at the face's box).

    Raises:
        UnknownName: no such kind.
    """
    if kind not in _HOW:
        raise UnknownName("harmless change", kind, _HOW)
    return _HOW[kind](image, sample, strength)


@dataclass(frozen=True)
class Changed:
    """Reads rows and changes what they show; the same for a picture whenever it is read."""

    kind: str
    strength: float

    def __call__(self, sample: Sample) -> Shown:
        """Returns the changed picture and its row; raises what `read_image` and `changed` raise."""
        return changed(read_image(sample.path), sample, self.kind, self.strength)


@dataclass(frozen=True)
class Neutral:
    """Reads rows with white balance and gain drawn anew, from one distribution whatever the label.

    The channel means of the face become a brightness of 60 to 160 levels times a tint with a deviation of
    0.15, drawn by the seed and the picture's name. Neither tint nor brightness tells anything any more.
    """

    root: Path
    seed: int = 0

    def __call__(self, sample: Sample) -> Shown:
        """Returns the neutralised picture and its row; raises what `read_image` raises."""
        image = read_image(sample.path)
        rng = drawn(self.root, sample.path, self.seed)
        level, tint = np.exp(rng.uniform(np.log(60), np.log(160))), np.exp(rng.normal(0, 0.15, 3))
        x, y, w, h = (round(side) for side in box_of(sample, image))
        face = image[max(0, y) : max(1, y + h), max(0, x) : max(1, x + w)]
        means = np.maximum((face if face.size else image).reshape(-1, 3).mean(axis=0), 1.0)
        return _levels(image, level * tint / means), sample


@dataclass(frozen=True)
class Matched:
    """Reads rows blurred to the sharpness of another row of the same domain and the other label.

    Of a live and an attack the sharper is blurred until both are alike (`sharpness` of the face at 128
    pixels), so that sharpness tells nothing any more. The seed and the picture's name draw the partner.
    """

    rows: Sequence[Sample]
    root: Path
    seed: int = 0
    _levels: dict[str, float] = field(default_factory=dict, compare=False)

    def __call__(self, sample: Sample) -> Shown:
        """Returns the picture, blurred where it is the sharper one, and its row."""
        image = read_image(sample.path)
        others = self._others[sample.domain, sample.label]
        if not others:
            return image, sample
        partner = others[int(drawn(self.root, sample.path, self.seed).integers(len(others)))]
        box = box_of(sample, image)
        level, longest = self._level(partner), max(box[2:])
        sigma = blur_to(
            image,
            level,
            most=longest / 16,
            measure=lambda soft: sharpness(crop_face(soft, box, _FACE)),
        )
        return (cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0 else image), sample  # type: ignore[return-value]

    @cached_property
    def _others(self) -> Mapping[tuple[str | None, int | None], list[Sample]]:
        return {
            (domain, label): [
                row for row in self.rows if row.domain == domain and row.label not in (label, None)
            ]
            for domain, label in {(row.domain, row.label) for row in self.rows}
        }

    def _level(self, row: Sample) -> float:
        if row.path not in self._levels:
            image = read_image(row.path)
            self._levels[row.path] = sharpness(crop_face(image, box_of(row, image), _FACE))
        return self._levels[row.path]


def controlled(rows: Sequence[Sample], root: Path | None = None, *, seed: int = 0) -> dict[str, Read]:
    """Returns the readers of `CONTROLS` for rows with absolute paths, by name.

    Args:
        root: what the names that draws depend on start from; the folder of all rows if none is given.
    """
    if root is None:
        root = Path(os.path.commonpath([row.path for row in rows]))
    return {"neutral": Neutral(root, seed), "matched": Matched(tuple(rows), root, seed)}


def _levels(image: Pixels, factors: Any) -> Pixels:
    return np.clip(np.rint(image * np.asarray(factors, np.float32)), 0, 255).astype(np.uint8)


def _brightness(image: Pixels, sample: Sample, factor: float) -> Shown:
    return _levels(image, factor), sample


def _gamma(image: Pixels, sample: Sample, power: float) -> Shown:
    levels = np.rint(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return np.asarray(cv2.LUT(image, levels), dtype=np.uint8), sample


def _cast(image: Pixels, sample: Sample, percent: float, *, red: int) -> Shown:
    step = red * percent / 100
    return _levels(image, (1 + step, 1, 1 - step)), sample


def _saturation(image: Pixels, sample: Sample, factor: float) -> Shown:
    grey = (image @ np.array([0.299, 0.587, 0.114], np.float32))[:, :, None]
    return np.clip(np.rint(grey + np.float32(factor) * (image - grey)), 0, 255).astype(np.uint8), sample


def _blur(image: Pixels, sample: Sample, percent: float) -> Shown:
    sigma = max(box_of(sample, image)[2:]) * percent / 100
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8), sample


def _jpeg(image: Pixels, sample: Sample, quality: float) -> Shown:
    return disturb(image, "jpeg", strength=quality, rng=np.random.default_rng(0)), sample


def _mirror(image: Pixels, sample: Sample, strength: float) -> Shown:
    width = image.shape[1]
    moved = _moved(sample, image, np.array([[-1.0, 0, width], [0, 1, 0]]))
    if sample.points is not None:
        moved = moved.model_copy(update={"points": mirror_points(sample.points, width)})
    return np.ascontiguousarray(image[:, ::-1]), moved


def _shrunk(image: Pixels, sample: Sample, side: float) -> Shown:
    factor = side / max(box_of(sample, image)[2:])
    if factor >= 1:
        return image, sample
    return _resized(image, sample, factor, cv2.INTER_AREA)


def _size(image: Pixels, sample: Sample, percent: float) -> Shown:
    return _resized(image, sample, percent / 100, cv2.INTER_AREA)


def _screenshot(image: Pixels, sample: Sample, percent: float) -> Shown:
    return _jpeg(*_resized(image, sample, percent / 100, cv2.INTER_LINEAR), _SAVED)


def _resized(image: Pixels, sample: Sample, factor: float, method: int) -> Shown:
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    small = np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)
    across, down = size[0] / image.shape[1], size[1] / image.shape[0]
    return small, _moved(sample, image, np.array([[across, 0, 0], [0, down, 0]]))


def _turn(image: Pixels, sample: Sample, degrees: float) -> Shown:
    quarters = round(degrees / 90) % 4
    height, width = image.shape[:2]
    matrix = {
        0: [[1.0, 0, 0], [0, 1, 0]],
        1: [[0, 1.0, 0], [-1, 0, width]],
        2: [[-1.0, 0, width], [0, -1, height]],
        3: [[0, -1.0, height], [1, 0, 0]],
    }[quarters]
    return np.ascontiguousarray(np.rot90(image, quarters)), _moved(sample, image, np.array(matrix))


def _tight(image: Pixels, sample: Sample, strength: float) -> Shown:
    x, y, w, h = box_of(sample, image)
    left, top = max(0, round(x)), max(0, round(y))
    cut = image[top : max(top + 1, round(y + h)), left : max(left + 1, round(x + w))]
    return np.ascontiguousarray(cut), _moved(sample, image, np.array([[1.0, 0, -left], [0, 1, -top]]))


def _moved(sample: Sample, image: Pixels, matrix: NDArray[np.float64]) -> Sample:
    """Returns the row with box and points taken along by an affine map (2, 3) without shear."""
    facts: dict[str, Any] = {}
    if sample.x is not None:
        x, y, w, h = box_of(sample, image)
        one, two = matrix @ (x, y, 1), matrix @ (x + w, y + h, 1)
        (left, top), (right, bottom) = np.minimum(one, two), np.maximum(one, two)
        facts = dict(zip("xywh", map(float, (left, top, right - left, bottom - top)), strict=True))
    if sample.points is not None:
        # A point is the middle of a pixel, half a pixel from that pixel's corner.
        facts["points"] = [
            tuple(map(float, matrix @ (px + 0.5, py + 0.5, 1) - 0.5)) for px, py in sample.points
        ]
    return sample.model_copy(update=facts)


_HOW: dict[str, Callable[[Pixels, Sample, float], Shown]] = {
    "brightness": _brightness,
    "gamma": _gamma,
    "warm": partial(_cast, red=1),
    "cool": partial(_cast, red=-1),
    "saturation": _saturation,
    "face-blur": _blur,
    "jpeg": _jpeg,
    "mirror": _mirror,
    "face-size": _shrunk,
    "size": _size,
    "screenshot": _screenshot,
    "turn": _turn,
    "tight": _tight,
}
