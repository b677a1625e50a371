"""Self-blended images: a face pasted over itself, slightly changed, as a swapped face lies in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate._blending import (
    Affine,
    Blend,
    Change,
    Plane,
    Window,
    changed,
    filled,
    moved,
    pasted,
    window,
)
from facetrust.data.simulate._outline import Polygon, Top, faces
from facetrust.imaging import Pixels
from facetrust.records import Box, Point

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
_FEWEST = 32  # pixels across that shrinking leaves a face


class Draws(NamedTuple):
    """All that chance decides about a blend; by default the fake is the picture itself.

    on_source: `change` befalls what is pasted, otherwise the picture that it is pasted on. move: shares
    of the window. scale: of x and y. bend: pixels of the mask's grid at coarse places. grid: its height and
    width. erosion, blur: sides of square kernels in its pixels.
    """

    top: Top = "forehead"
    on_source: bool = True
    change: Change = Change()
    move: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    bend: Plane = np.zeros((2, 1, 1), np.float32)
    grid: tuple[int, int] = (224, 224)
    erosion: int = 5
    blur: int = 15
    sigma: float = 25.0
    ratio: float = 1.0
    joint: Change = Change()


def self_blend(
    image: Pixels,
    box: Box,
    rng: np.random.Generator,
    *,
    points: Sequence[Point] | None = None,
    region: NDArray[np.bool_] | None = None,
    joint: bool = True,
) -> Blend:
    """Returns `(fake, real, mask)`: the face blended over itself, the picture as genuine, and the soft mask.

    Fake is mask * source + (1 - mask) * target, source and target being the picture, one of them changed
    in colours and sharpness, the source moved and scaled a little; real is the target. Where the mask is
    0, both are equal (but for JPEG's blocks, if a joint file was drawn). The mask is float32 in [0, 1].

    The method takes one of Face X-ray's four hulls of 81 landmarks. Here an OUTLINE MODEL REPLACES THE
    LANDMARKS: half ellipses fitted to five points, or to the box alone, so that the mask's edge follows a
    jaw only roughly; of the four hulls two end above the brows, one higher and one with the forehead. A
    pixel of the mask counts on a grid of 192 to 256 a side over the face and its margins, whatever the
    picture's size; there the elastic bending is made too.

    Args:
        image: (H, W, 3) uint8 RGB with a genuine face, of any size.
        box: x, y, w, h of the face in pixels; it may reach outside the picture.
        rng: all choices are drawn from it.
        points: eyes, nose and mouth corners in pixels, the one further left in the picture first.
        region: (H, W), true on the face, such as parsing tells; it takes the place of the outline.
        joint: change fake and real alike in colours and by JPEG, in the end. Where the pictures of both
            classes are degraded afterwards anyway, it is of no use.

    Source: Shiohara and Yamasaki, arXiv 2204.08376, section 3, in the form of its released code with Face
    X-ray's hulls (Li et al., arXiv 1912.13458): the draws, their ranges, levels cut to whole ones (a step
    of hue, saturation or value of up to .3 is none or a whole one), black where the moved source ends.
    Besides the outline two things are other here: the pictures shrunk by 2 or 4 keep 32 pixels of a face,
    and a pixel that source and target share stays as it is, where theirs may lose a level to rounding.
    """
    draws = draw(rng)
    return blend(image, box, draws if joint else draws._replace(joint=Change()), points=points, region=region)


def as_surroundings(image: Pixels, box: Box, rng: np.random.Generator) -> Pixels:
    """Returns a genuine picture as the surroundings of a blend are: changed in half of the cases.

    Blends and genuine pictures shown together must differ in nothing but the face. `self_blend` returns
    such a picture too, made by the blend's own draws.
    """
    return changed(image, _bearable(_change(rng), box)) if rng.random() < 0.5 else image


def draw(rng: np.random.Generator) -> Draws:
    """Returns the choices of one blend (see `self_blend` for their source)."""
    grid = (int(rng.integers(192, 257)), int(rng.integers(192, 257)))
    return Draws(
        top=_top(rng),
        on_source=rng.random() < 0.5,
        change=_change(rng),
        move=(rng.uniform(-0.03, 0.03), rng.uniform(-0.015, 0.015)),
        scale=(rng.uniform(0.95, 1 / 0.95), rng.uniform(0.95, 1 / 0.95)),
        bend=_bend(rng, grid),
        grid=grid,
        erosion=_odd(rng),
        blur=_odd(rng),
        sigma=float(rng.integers(5, 46)),
        ratio=float(rng.choice(RATIOS)),
        joint=_joint(rng),
    )


def blend(
    image: Pixels,
    box: Box,
    draws: Draws,
    *,
    points: Sequence[Point] | None = None,
    region: NDArray[np.bool_] | None = None,
) -> Blend:
    """Returns the blend that the choices make; see `self_blend`."""
    at = window(image.shape[:2], box)
    move = moved(at, draws.move, draws.scale)
    mask = soft_mask(faces(box, points, region, top=draws.top), at, move, draws)
    change = _bearable(draws.change, box)
    fake, real, laid = pasted(image, at, change, mask=mask, move=move, on_source=draws.on_source)
    return Blend(changed(fake, draws.joint), changed(real, draws.joint), laid)


def soft_mask(edges: Sequence[Polygon], at: Window, move: Affine, draws: Draws) -> Plane:
    """Returns the mask on its grid: filled, eroded by a kernel, blurred, brought to `ratio` at most."""
    hard = filled(edges, at, draws.grid, move, draws.bend)
    eroded = cv2.erode(hard, np.ones((draws.erosion, draws.erosion), np.uint8))
    if not eroded.any():  # the face is smaller than the kernel
        eroded = hard
    soft = cv2.GaussianBlur(eroded.astype(np.float32), (draws.blur, draws.blur), draws.sigma)
    top = max(float(soft.max()), 1e-6)
    return np.asarray(np.minimum(soft / top, 1) * draws.ratio, dtype=np.float32)


def _bearable(change: Change, box: Box) -> Change:
    """Leaves a face 32 pixels across, where shrinking would leave less."""
    return change._replace(shrink=min(change.shrink, max(1.0, min(box[2:]) / _FEWEST)))


def _change(rng: np.random.Generator) -> Change:
    """The difference between source and target: colours, and one of a loss of detail or sharpening."""
    shift, hsv = rng.uniform(-20, 20, 3), rng.uniform(-0.3, 0.3, 3)
    colours = Change(
        shift=_triple(shift * (rng.random() < 0.3)),
        hsv=_triple(hsv),
        gain=1 + rng.uniform(-0.1, 0.1),
        lift=255 * rng.uniform(-0.1, 0.1),
    )
    if rng.random() < 0.5:
        return colours._replace(shrink=float(rng.choice((2.0, 4.0))))
    return colours._replace(sharpen=(rng.uniform(0.2, 0.5), rng.uniform(0.5, 1.0)))


def _joint(rng: np.random.Generator) -> Change:
    shift, hsv, bright = rng.uniform(-20, 20, 3), rng.uniform(-0.3, 0.3, 3), rng.uniform(-0.3, 0.3, 2)
    shift, hsv, bright = (values * (rng.random() < 0.3) for values in (shift, hsv, bright))
    quality = int(rng.integers(40, 101))
    return Change(
        shift=_triple(shift),
        hsv=_triple(hsv),
        gain=1 + float(bright[0]),
        lift=255 * float(bright[1]),
        quality=quality if rng.random() < 0.5 else None,
    )


def _bend(rng: np.random.Generator, grid: tuple[int, int]) -> Plane:
    """Elastic pushes: uniform noise, Gaussian with sigma 7, times 50; made at a quarter of the grid's size,
    where a quarter of sigma and factor give pushes of the same size and reach."""
    noise = rng.uniform(-1, 1, (-(-grid[0] // 4), -(-grid[1] // 4), 2)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 7 / 4) * np.float32(50 / 4)
    return np.ascontiguousarray(smooth.transpose(2, 0, 1))


def _top(rng: np.random.Generator) -> Top:
    """Where the hull ends. Four are drawn evenly; one has the forehead, but in a quarter of the cases."""
    hulls: tuple[Top, ...] = ("brows", "brows", "raised", "forehead")
    without = rng.random() < 0.25
    top = hulls[int(rng.integers(4))]
    return "brows" if without and top == "forehead" else top


def _odd(rng: np.random.Generator) -> int:
    return 5 + 2 * int(rng.integers(0, 11))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
