"""How good the picture of a face is: size, sharpness, light, colour, tones, pose. No measure knows labels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging.crop import Points
from facetrust.imaging.pixels import Pixels
from facetrust.imaging.pose import pose_of
from facetrust.records import Box, Quality

Values = NDArray[np.float64]

_SIDE = 64  # Pixels: sharpness and shading are measured at this size, that of the smallest faces trained on.
_CELLS, _PARTS = 8, 4  # Colour is measured in 8 x 8 cells, where a JPEG's blocks and grain are averaged out.
_GREY = 115.0  # Mean level that a face is brought to before its colour is measured, so that dusk has colour.
_BLACK, _WHITE = 8, 247  # Levels of 255 up to which, and from which on, nothing can be told apart.
_BLUR = 6.0  # Levels: standard deviation by which a histogram is smoothed.
_STRIP, _EVEN, _STEP = 3, 4, 12  # Pixels and levels of an even strip, and levels of the step to it.
_NEAR = 4  # Pixels: the width of an edge that was resized or compressed.
_LANES = 32  # Rows that a lane beside a face is looked at by.
_MOST = 0.85  # Share of the pixels of an edge for which it must hold; an icon may interrupt it.


def quality_of(image: Pixels, box: Box, points: Points = ()) -> Quality:
    """Returns what can be measured of the face in `box`, without a margin.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        box: x, y, w, h in pixels; may reach outside, where nothing is measured.
        points: its five, which its pose is measured by.
    """
    pose = pose_of(points)
    crop = _inside(image, box)
    method = cv2.INTER_AREA if min(crop.shape[:2]) > _SIDE else cv2.INTER_LINEAR
    grey = _grey_of(np.asarray(cv2.resize(crop, (_SIDE, _SIDE), interpolation=method), np.uint8))
    red, green, blue = cv2.split(crop)
    lightest, darkest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return Quality(
        size=max(0.0, min(box[2:])) * _share_of_own_pixels(crop),
        sharpness=sharpness(grey),
        luminance=float(grey.mean() / 255),
        dark=float((lightest <= _BLACK).mean()),
        bright=float((darkest >= _WHITE).mean()),
        chroma=chroma(crop),
        tones=tones(crop),
        shading=shading(grey),
        framed=framed(image, box),
        room=min(image.shape[:2]) / max(1.0, *box[2:]),
        **({} if pose is None else pose._asdict()),
    )


def median_quality(each: Sequence[Quality]) -> Quality:
    """Returns the median of every measure over at least one face, such as those of a track."""
    named: dict[str, float | None] = {}
    for name in Quality.model_fields:
        values = [value for one in each if (value := getattr(one, name)) is not None]
        named[name] = float(np.median(values)) if values else None
    return Quality(**{**named, "framed": int(named["framed"] or 0)})  # type: ignore[arg-type]


def sharpness(grey: Values) -> float:
    """Returns the variance of the Laplacian over that of a grey face (h, w) in 0..255; 0 or more.

    The Laplacian grows with contrast, which is light and skin, not sharpness; the ratio does not.
    """
    detail = cv2.Laplacian(grey, cv2.CV_64F)[1:-1, 1:-1]
    return float(detail.var() / max(float(grey.var()), 1.0))


def shading(grey: Values) -> float:
    """Returns the median over the mean step between neighbours of a grey face (h, w), in [0, 1].

    Skin changes everywhere a little; what is painted evenly changes at its outlines alone.
    """
    steps = np.hypot(np.diff(grey, axis=1)[:-1], np.diff(grey, axis=0)[:, :-1])
    mean = float(steps.mean())
    return min(1.0, float(np.median(steps)) / mean) if mean > 0 else 0.0


def tones(crop: Pixels) -> float:
    """Returns how many tones a face (h, w, 3) uint8 uses of those that its range offers, in [0, 1].

    Per channel, the number is 2 to the entropy of its levels, over the same for its histogram smoothed;
    that with the most counts. Black and white are left out, where overexposure piles up.
    """
    return max(_share_of_tones(crop[:, :, channel]) for channel in range(3))


def chroma(crop: Pixels) -> float:
    """Returns the colour of a face (h, w, 3) uint8 that does not follow from its brightness, 0 or more.

    A grey picture that is tinted has colour too, but one for each brightness. Therefore a* and b* of
    8 x 8 cells, brought to one exposure, are fitted by straight lines over L* in four ranges of it, and
    what is left is measured, as root mean square in CIELAB units. Skin, lips, eyes and hair leave 2 to 10.
    """
    cells = cv2.resize(crop.astype(np.float32), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    brighter = min(_GREY / max(1.0, float(cells.mean())), 255 / max(1.0, float(cells.max())))
    exposed = (cells * (brighter / 255)).astype(np.float32)
    lab = cv2.cvtColor(exposed, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    left = []
    for part in np.array_split(lab[np.argsort(lab[:, 0], kind="stable")], _PARTS):
        line = np.stack([np.ones(len(part)), part[:, 0]], axis=1)
        left.append(part[:, 1:] - line @ np.linalg.lstsq(line, part[:, 1:], rcond=None)[0])
    return float(np.sqrt((np.concatenate(left) ** 2).sum(axis=1).mean()))


def framed(image: Pixels, box: Box) -> int:
    """Returns on how many of its four sides a face's picture ends at a straight edge beside one even colour.

    A window, a page and a white border do so on three or four sides, the bars of a film on two. A wall behind
    a person is even, but the person's outline is not straight.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        box: x, y, w, h of the face in pixels.
    """
    x, y, w, h = box
    green = image[:, :, 1]
    across, down = (y, y + h), (x, x + w)
    lanes = (
        (green, across, x + w),
        (green[:, ::-1], across, image.shape[1] - x),
        (green.T, down, y + h),
        (green[::-1].T, down, image.shape[0] - y),
    )
    borders = [_border(_lane(pixels, band, start)) for pixels, band, start in lanes]
    levels = [level for level in borders if level is not None]
    return max((sum(abs(level - other) <= _EVEN for other in levels) for level in levels), default=0)


def _lane(pixels: NDArray[np.uint8], band: tuple[float, float], start: float) -> NDArray[np.int16]:
    """What lies beside a face, (n, m): at most about 32 rows of the band, and all columns from `start` on."""
    low, high = (min(max(0, round(side)), pixels.shape[0]) for side in band)
    step = max(1, (high - low) // _LANES)
    return pixels[low:high:step, max(0, round(start)) :].astype(np.int16)


def _border(lane: NDArray[np.int16]) -> float | None:
    """The level of the even strip at which a lane (n, m) that leads away from a face stops all at once."""
    if not lane.size or lane.shape[1] < _NEAR + _STRIP:
        return None
    middle = np.median(lane, axis=0)
    even = (np.abs(lane - middle) <= _EVEN).mean(axis=0) >= _MOST
    for place in np.flatnonzero(even[_NEAR:]) + _NEAR:
        strip = slice(place, place + _STRIP)
        if place + _STRIP > len(even) or even[place - _NEAR : place].all() or not even[strip].all():
            continue
        steps = np.abs(lane[:, place - _NEAR : place] - middle[place]).max(axis=1) > _STEP
        if np.ptp(middle[strip]) <= _EVEN and steps.mean() >= _MOST:
            return float(middle[place])
    return None


def _inside(image: Pixels, box: Box) -> Pixels:
    """The part of the box that lies in the picture, or the whole picture where none does."""
    left, top, wide, tall = (round(side) for side in box)
    crop = image[max(0, top) : max(0, top + tall), max(0, left) : max(0, left + wide)]
    return np.ascontiguousarray(crop if crop.size else image)


def _grey_of(crop: Pixels) -> Values:
    return cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float64)


def _share_of_own_pixels(crop: Pixels) -> float:
    """The share of rows, or columns if lower, that do not repeat their neighbour; 1 where all are alike."""
    shares = []
    for axis in (0, 1):
        own = np.diff(crop, axis=axis).any(axis=(1 - axis, 2))
        shares.append((1 + int(own.sum())) / crop.shape[axis] if own.any() else 1.0)
    return min(shares)


def _share_of_tones(channel: NDArray[np.uint8]) -> float:
    counts = np.bincount(channel.ravel(), minlength=256)[_BLACK + 1 : _WHITE].astype(np.float64)
    if not counts.any():
        return 0.0
    smooth = cv2.GaussianBlur(counts[None], (0, 0), _BLUR, borderType=cv2.BORDER_REFLECT)[0]
    return min(1.0, float(2 ** (_entropy(counts) - _entropy(smooth))))


def _entropy(counts: Values) -> float:
    """Bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
