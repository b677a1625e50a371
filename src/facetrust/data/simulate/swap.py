"""Another person's face, or a part of it, pasted over a face: what face swaps and photo composites leave.

The donor's face is laid over the target by five points, brought near its colours, and blended by a soft mask.
Blends of two people are Face X-ray's (Li et al., arXiv 1912.13458); parts, tones and their ranges are this
module's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate._blending import Affine, Blend, Plane, Window, blended, laid, window
from facetrust.data.simulate._outline import Polygon, faces, five_points
from facetrust.data.simulate.donors import Donor
from facetrust.data.simulate.self_blend import draw, soft_mask
from facetrust.imaging import Pixels
from facetrust.imaging.crop import alignment
from facetrust.records import Box, Point

PARTS = ("eye", "other eye", "nose", "mouth")
_STILL = np.eye(2, 3)
_CORNERS = 32
_METHODS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_SEAMLESS = 0.2  # Share of blends whose colours are solved for at the edge (Perez et al. 2003).


def face_swap(
    image: Pixels,
    box: Box,
    donor: Donor,
    rng: np.random.Generator,
    *,
    points: Sequence[Point] | None = None,
    region: NDArray[np.bool_] | None = None,
) -> Blend:
    """Returns `(fake, real, mask)`: the donor's face over this one, the picture itself, and the mask (H, W).

    Args:
        image: (H, W, 3) uint8 RGB with a genuine face.
        box: x, y, w, h of the face in pixels; it may reach outside the picture.
        donor: the other face.
        rng: all choices are drawn from it.
        points: eyes, nose and mouth corners in pixels, the one further left in the picture first; guessed
            from the box without them.
        region: (H, W), true on the face that is covered; of the outline no more is covered than lies in it.
            The donor's outline is known no better: more would bring hair and background along.
    """
    at, draws = window(image.shape[:2], box), draw(rng)._replace(ratio=1.0)
    mask = soft_mask(faces(box, points, None, top=draws.top), at, _STILL, draws)
    if region is not None:
        mask = np.minimum(mask, soft_mask(faces(box, points, region), at, _STILL, draws))
    return _laid_over(image, donor, _onto(donor, five_points(box, points)), at, mask, rng)


def part_swap(
    image: Pixels,
    box: Box,
    donor: Donor,
    rng: np.random.Generator,
    *,
    points: Sequence[Point] | None = None,
) -> Blend:
    """Returns `(fake, real, mask)` as `face_swap` does, with one to four of the donor's eyes, nose and mouth.

    Each is an ellipse around its points, somewhat larger or smaller than the part itself, and comes to lie
    where the target's is.
    """
    at, own = window(image.shape[:2], box), five_points(box, points)
    chosen = rng.permutation(len(PARTS))[: int(rng.choice((1, 1, 2, 2, 3, 4)))]
    fake, whole = image, np.zeros(image.shape[:2], np.float32)
    for part in sorted(chosen.tolist()):
        draws = draw(rng)
        draws = draws._replace(
            ratio=1.0, erosion=1, blur=min(draws.blur, 15), bend=draws.bend / np.float32(3)
        )
        mask = soft_mask([_ellipse(own, part, rng)], at, _STILL, draws)
        move = _onto(donor, own)
        theirs = _middle(np.asarray(donor.points, np.float64), part)
        move[:, 2] += _middle(own, part) - (move[:, :2] @ theirs + move[:, 2])
        made = _laid_over(fake, donor, move, at, mask, rng)
        fake, whole = made.fake, np.maximum(whole, made.mask)
    return Blend(fake, image, whole)


def _onto(donor: Donor, points: NDArray[np.float64]) -> Affine:
    """Returns the (2, 3) matrix that lays the donor's points over these, through the template of both."""
    there, here = alignment(donor.points, (112, 112)), alignment(points.tolist(), (112, 112))
    back = np.asarray(cv2.invertAffineTransform(here), dtype=np.float64)
    return np.column_stack([back[:, :2] @ there[:, :2], back[:, :2] @ there[:, 2] + back[:, 2]])


def _middle(points: NDArray[np.float64], part: int) -> NDArray[np.float64]:
    return np.asarray(points[3:5].mean(0) if part == 3 else points[part], np.float64)


def _ellipse(points: NDArray[np.float64], part: int, rng: np.random.Generator) -> Polygon:
    """Returns the outline of a part, (32, 2); sizes are shares of the distances between the points."""
    eyes, mouth = points[:2].mean(0), points[3:5].mean(0)
    apart = max(float(np.hypot(*(points[1] - points[0]))), 1e-6)
    down = (mouth - eyes) / max(float(np.hypot(*(mouth - eyes))), 1e-6)
    across = np.array([down[1], -down[0]])
    wide, tall, above = {
        0: (0.36, 0.24, 0.06),
        1: (0.36, 0.24, 0.06),
        2: (0.30, 0.42, 0.16),
        3: (0.50, 0.26, 0.0),
    }[part]
    wide, tall = np.array([wide, tall]) * apart * np.exp(rng.uniform(-0.25, 0.4, 2))
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    centre = _middle(points, part) - above * apart * down
    return np.asarray(
        centre + wide * np.cos(angle)[:, None] * across + tall * np.sin(angle)[:, None] * down, np.float64
    )


def _laid_over(
    target: Pixels, donor: Donor, move: Affine, at: Window, mask: Plane, rng: np.random.Generator
) -> Blend:
    first = np.array([at.part[1].start, at.part[0].start])
    here = np.column_stack([move[:, :2], move[:, 2] - first])
    under = np.ascontiguousarray(target[at.part])
    method, share, spread = int(rng.choice(_METHODS)), rng.uniform(0.5, 1.0), rng.random() < 0.5
    seamless, factor = rng.random() < _SEAMLESS, float(np.exp(rng.uniform(-0.4, 0.4)))
    if not under.size:
        return blended(under, target, at, mask)
    size, border = (under.shape[1], under.shape[0]), cv2.BORDER_REFLECT_101
    warped = cv2.warpAffine(donor.image, here, size, flags=method, borderMode=border)
    inside = laid(mask, at)
    source = _toned(np.asarray(warped, dtype=np.uint8), under, inside, share=float(share), spread=spread)
    source = _as_fine(source, under, inside, factor)
    return blended(_solved(source, under, inside) if seamless else source, target, at, mask)


def _toned(source: Pixels, target: Pixels, mask: Plane, *, share: float, spread: bool) -> Pixels:
    """Returns the source with its means in CIELAB under the mask moved by `share` of the way to the target's,
    and its deviations too with `spread` (Reinhard et al. 2001)."""
    within = mask > 0.25
    if not within.any():
        return source
    lab, other = (cv2.cvtColor(each, cv2.COLOR_RGB2LAB) for each in (source, target))
    (mean, deviation), (wanted, goal) = (
        cv2.meanStdDev(each, mask=within.astype(np.uint8)) for each in (lab, other)
    )
    gain = np.clip(goal / np.maximum(deviation, 1.0), 0.5, 2.0) ** share if spread else np.ones((3, 1))
    levels = np.arange(256)
    table = (levels - mean) * gain + mean + share * (wanted - mean)
    moved = cv2.LUT(lab, np.clip(np.rint(table), 0, 255).astype(np.uint8).T[None])
    return np.asarray(cv2.cvtColor(moved, cv2.COLOR_LAB2RGB), dtype=np.uint8)


def _as_fine(source: Pixels, target: Pixels, mask: Plane, factor: float) -> Pixels:
    """Returns the source sharpened or softened, so that its detail under the mask comes nearer to `factor` of
    the target's: it was resampled, which must not give every donor away."""
    within = mask > 0.25
    if not within.any():
        return source
    ours, theirs = (
        float(np.std(cv2.Laplacian(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[within]))
        for each in (source, target)
    )
    amount = float(np.clip(factor * theirs / max(ours, 0.1) - 1, -0.8, 1.5))
    soft = cv2.GaussianBlur(source, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(source, 1 + amount, soft, -amount, 0), dtype=np.uint8)


def _solved(source: Pixels, target: Pixels, mask: Plane) -> Pixels:
    """Returns the source with the colours that continue the target's at the mask's edge."""
    within = (mask > 0.02).astype(np.uint8) * 255
    within[[0, -1]] = within[:, [0, -1]] = 0
    x, y, w, h = cv2.boundingRect(within)
    if min(w, h) < 4:
        return source
    centre = (x + w // 2, y + h // 2)
    return np.asarray(cv2.seamlessClone(source, target, within, centre, cv2.NORMAL_CLONE), dtype=np.uint8)
