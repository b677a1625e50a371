"""Whose face is pasted over another's: other people of the same set, of like pose and skin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UsageError
from facetrust.imaging import Pixels, box_of
from facetrust.imaging.crop import Points
from facetrust.records import Sample

_NEAR, _COMPARED = (
    24,
    4,
)  # So many of the nearest in pose may be drawn, and of so many drawn the tone decides.


class Donor(NamedTuple):
    """A genuine face that another picture may get: (H, W, 3) uint8 RGB, and its five points in pixels."""

    image: Pixels
    points: Points


class Donors:
    """Finds a donor for a face: another person, turned alike, of about the same tone.

    Args:
        samples: rows; those that are bona fide and have five points can give their face.
        read: returns a row's picture, and the row as it lies in it.

    Raises:
        UsageError: fewer than two people can give their face.
    """

    def __init__(self, samples: Sequence[Sample], read: Callable[[Sample], tuple[Pixels, Sample]]) -> None:
        self.rows = [row for row in samples if row.label == 0 and row.points]
        self.read = read
        self._people = np.array([_person(row) for row in self.rows])
        if len(set(self._people)) < 2:
            raise UsageError(
                "swaps need two people with five points at least; prepare their pictures with --annotations"
            )
        self._poses = np.array([_pose(row.points or ()) for row in self.rows])
        self._tones: dict[int, NDArray[np.float64]] = {}

    def draw(self, sample: Sample, image: Pixels, rng: np.random.Generator) -> Donor:
        """Returns a donor for a row's picture (H, W, 3) uint8 RGB; raises what reading one raises."""
        others = np.flatnonzero(self._people != _person(sample))
        if not others.size:
            raise UsageError(f"{sample.path}: there is no other person whose face it could get")
        if sample.points:
            apart = np.abs(self._poses[others] - _pose(sample.points)).sum(axis=1)
            others = others[np.argsort(apart, kind="stable")[:_NEAR]]
        drawn = rng.choice(others, min(_COMPARED, len(others)), replace=False)
        wanted = _tone(image, sample)
        best = min(drawn, key=lambda index: float(np.abs(self._tone(int(index)) - wanted).sum()))
        shown, row = self.read(self.rows[best])
        return Donor(shown, row.points or ())

    def _tone(self, index: int) -> NDArray[np.float64]:
        if index not in self._tones:
            image, row = self.read(self.rows[index])
            self._tones[index] = _tone(image, row)
        return self._tones[index]


def _person(row: Sample) -> str:
    return row.subject or row.media or row.path


def _pose(points: Points) -> NDArray[np.float64]:
    """How far the nose lies beside and below the middle of the eyes, in distances between the eyes and from
    eyes to mouth."""
    at = np.asarray(points, np.float64)
    eyes, mouth = at[:2].mean(0), at[3:5].mean(0)
    across, down, nose = at[1] - at[0], mouth - eyes, at[2] - eyes
    wide, tall = max(float(across @ across), 1e-6), max(float(down @ down), 1e-6)
    return np.array([nose @ across / wide, nose @ down / tall])


def _tone(image: Pixels, row: Sample) -> NDArray[np.float64]:
    """Mean levels of R, G and B in the middle of the face."""
    x, y, w, h = box_of(row, image)
    left, top = max(0, round(x + w / 4)), max(0, round(y + h / 4))
    part = image[top : round(y + 3 * h / 4), left : round(x + 3 * w / 4)]
    return np.asarray((part if part.size else image).reshape(-1, 3).mean(axis=0), np.float64)
