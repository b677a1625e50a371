"""Presentation attacks made from a live face: what a camera sees when it looks at a print or a screen.

A recapture has three stages: the picture is shown on a medium (print or screen) that changes its
colours and adds a fine pattern; the medium is held somewhere in the scene, slightly tilted; light
falls on it. All randomness comes from the generator handed in, so a seed repeats the attack.
Moire and colour facts: He et al., arXiv 2404.08450 (SPSC); the rest is this module's own model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate import digital_spoof, regeneration, self_blend, swap
from facetrust.data.simulate._blending import Blend as Blend  # what `manipulate` returns
from facetrust.data.simulate.donors import Donor
from facetrust.errors import UnknownName, UsageError
from facetrust.imaging import Pixels
from facetrust.imaging.crop import Points
from facetrust.records import Box

Plane = NDArray[np.float32]

SPECIES = ("print", "replay")
SWAPS = ("face-swap", "part-swap")  # manipulations that need another person's face
MANIPULATIONS = ("self-blend", "digital-spoof", *SWAPS, "regeneration")  # of the face itself


def check_species(names: Iterable[str]) -> None:
    """Checks that `simulate` knows these kinds.

    Raises:
        UnknownName: one it does not know.
    """
    for name in names:
        if name not in (known := (*SPECIES, *MANIPULATIONS)):
            raise UnknownName("attack species", name, known)


def simulate(
    image: Pixels,
    box: Box,
    *,
    species: str,
    rng: np.random.Generator,
    background: Pixels | None = None,
    points: Points | None = None,
    donor: Donor | None = None,
) -> Pixels:
    """Returns a simulated attack on a live picture, of the same size, the face where it was.

    Args:
        image: (H, W, 3) uint8 RGB with a live face.
        box: x, y, w, h of the face in pixels.
        species: `"print"` or `"replay"`, or a manipulation (`"self-blend"` without its joint change).
        rng: all choices are drawn from it.
        background: what lies around the print or screen; the picture itself, blurred, if none is given. A
            manipulation has none.
        points, donor: see `manipulate`.

    Raises:
        UnknownName: no such species.
        UsageError: a swap without a donor.
    """
    check_species([species])
    if species in MANIPULATIONS:
        return manipulate(image, box, species=species, rng=rng, points=points, donor=donor).fake
    shown = _reproduce(image.astype(np.float32) / 255.0, rng)
    medium = _print(shown, rng) if species == "print" else _screen(shown, rng)
    medium = _lit(medium, rng, glossy=species == "replay" or rng.random() < 0.3)
    scene = _place(medium, image, box, rng, bezel=species == "replay", background=background)
    return np.asarray(np.clip(scene * 255.0 + 0.5, 0, 255), dtype=np.uint8)


def manipulate(
    image: Pixels,
    box: Box,
    *,
    species: str,
    rng: np.random.Generator,
    points: Points | None = None,
    donor: Donor | None = None,
) -> Blend:
    """Returns a manipulation as `simulate` makes it, with the genuine picture to see it beside and the mask.

    Args:
        image, box, rng: see `simulate`.
        species: one of `MANIPULATIONS`.
        points: eyes, nose and mouth corners in pixels; guessed from the box without them.
        donor: whose face is pasted in, for the species in `SWAPS`.

    Raises:
        UnknownName: no such species.
        UsageError: a swap without a donor.
    """
    if species == "self-blend":
        return self_blend.self_blend(image, box, rng, points=points, joint=False)
    if species == "digital-spoof":
        return digital_spoof.digital_spoof(image, box, rng, points=points)
    if species == "regeneration":
        return regeneration.regeneration(image, box, rng, points=points)
    if species not in SWAPS:
        raise UnknownName("manipulation", species, MANIPULATIONS)
    if donor is None:
        raise UsageError(f"{species}: needs the face of another person, a donor")
    paste = swap.face_swap if species == "face-swap" else swap.part_swap
    return paste(image, box, donor, rng, points=points)


def beside(image: Pixels, box: Box, *, species: Sequence[str], rng: np.random.Generator) -> Pixels:
    """Returns a genuine picture as it is seen beside simulated ones of these kinds.

    A manipulated picture may be changed around the face too. Genuine pictures are then changed as often
    and as much, so that only the face tells. Swaps and regenerations leave it as it is. Prints and replays
    ask for nothing, and nothing is drawn.
    """
    if not set(species) & set(MANIPULATIONS):
        return image
    kind = str(rng.choice(list(species)))
    if kind == "self-blend":
        return self_blend.as_surroundings(image, box, rng)
    return digital_spoof.as_surroundings(image, rng) if kind == "digital-spoof" else image


def _reproduce(image: Plane, rng: np.random.Generator) -> Plane:
    """The copy that is shown has its own resolution and compression."""
    height, width = image.shape[:2]
    scale = rng.uniform(0.3, 0.8)  # always softer than the original: light passed two lenses
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        coded = np.asarray(np.clip(small * 255, 0, 255), dtype=np.uint8)
        _, data = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
        small = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32) / 255.0
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _print(image: Plane, rng: np.random.Generator) -> Plane:
    """Ink on paper: fewer colours, lifted black, tinted white, halftone dots, paper grain."""
    colours = _saturate(image, rng.uniform(0.45, 1.05)) ** np.float32(rng.uniform(0.75, 1.35))
    black = rng.uniform(0.03, 0.22)
    paper = rng.uniform(0.78, 1.0) * (1 + rng.normal(0, 0.03, 3))
    inked = np.asarray(black + colours * (paper - black), dtype=np.float32)
    if rng.random() < 0.35:
        inked = _halftone(inked, rng, strength=rng.uniform(0.02, 0.18))
    if rng.random() < 0.15:  # streaks of a worn or low-resolution print head
        rows = cv2.GaussianBlur(rng.normal(0, 1, (image.shape[0], 1)).astype(np.float32), (1, 5), 0)
        inked = inked + rows[:, :, None] * np.float32(rng.uniform(0.01, 0.04))
    return inked + _grain(image.shape[:2], rng, rng.uniform(0.0, 0.02))[:, :, None]


def _halftone(image: Plane, rng: np.random.Generator, *, strength: float) -> Plane:
    """Darkens each ink by a rotated dot screen; the angles are the printers' usual ones, turned together."""
    period, turn = rng.uniform(1.8, 5.0), rng.uniform(0, np.pi / 2)
    y, x = _grid(image.shape[:2])
    dotted = image.copy()
    for channel, degrees in enumerate((15, 75, 0)):
        angle = turn + np.deg2rad(degrees)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        dots = np.cos(2 * np.pi * u / period) * np.cos(2 * np.pi * v / period)
        ink = 1 - image[:, :, channel]
        dotted[:, :, channel] += np.float32(strength) * dots.astype(np.float32) * ink
    return dotted


def _screen(image: Plane, rng: np.random.Generator) -> Plane:
    """Light from a display: its gamma, white point and glow, its pixel grid, moire and refresh bands."""
    white = 1 + rng.normal(0, 0.06, 3) + np.array([-0.03, 0.0, 0.05]) * rng.random()
    glow = rng.uniform(0.0, 0.12)
    shown = _saturate(image, rng.uniform(0.8, 1.4)) ** np.float32(rng.uniform(0.65, 1.4))
    shown = np.asarray((glow + (1 - glow) * shown) * white, dtype=np.float32)
    if rng.random() < 0.55:
        shown = shown * _moire(image.shape[:2], rng)
    if rng.random() < 0.3:
        y, _ = _grid(image.shape[:2])
        period = rng.uniform(0.15, 1.2) * image.shape[0]
        bands = np.sin(2 * np.pi * y / period + rng.uniform(0, 6.3)).astype(np.float32)
        shown = shown * (1 + np.float32(rng.uniform(0.02, 0.12)) * bands[:, :, None])
    return shown


def _moire(size: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Returns (H, W, 3) factors around 1: the beat of a pixel grid against the camera's, slightly bent.

    The three colours' sub-pixels are shifted by a third of a period, hence the coloured fringes.
    """
    y, x = _grid(size)
    bend = rng.uniform(0, 0.15) * max(size)
    span = rng.uniform(0.5, 2.0) * max(size)
    x = x + bend * np.sin(2 * np.pi * y / span + rng.uniform(0, 6.3))
    y = y + bend * np.sin(2 * np.pi * x / span + rng.uniform(0, 6.3))
    factors = np.ones((*size, 3), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(2.0), np.log(24.0)))
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period
        strength, shift = rng.uniform(0.005, 0.07), rng.choice([0.0, 2 * np.pi / 3])
        for channel in range(3):
            factors[:, :, channel] += (strength * np.sin(phase + channel * shift)).astype(np.float32)
    return factors


def _lit(image: Plane, rng: np.random.Generator, *, glossy: bool) -> Plane:
    """Light that falls on the medium: a slope of brightness, and on a glossy one a soft reflection."""
    y, x = _grid(image.shape[:2])
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle)
    lit = image * (1 + np.float32(rng.uniform(0, 0.35)) * slope.astype(np.float32)[:, :, None])
    if glossy and rng.random() < 0.5:
        centre, spread = rng.uniform(0, 1, 2), rng.uniform(0.08, 0.5, 2)
        distance = ((x / width - centre[0]) / spread[0]) ** 2 + ((y / height - centre[1]) / spread[1]) ** 2
        glare = np.exp(-distance).astype(np.float32)[:, :, None]
        lit = lit + np.float32(rng.uniform(0.05, 0.5)) * glare * np.float32(1 + rng.normal(0, 0.03, 3))
    return np.asarray(lit, dtype=np.float32)


def _place(
    medium: Plane,
    image: Pixels,
    box: Box,
    rng: np.random.Generator,
    *,
    bezel: bool,
    background: Pixels | None,
) -> Plane:
    """Holds the medium in the scene: it fills the view, or ends around the face, and a hand holds it."""
    if rng.random() < 0.4:
        medium = _bent(medium, box, rng)
    if rng.random() < 0.3:
        return medium
    x, y, w, h = box
    near = rng.random() < 0.6
    reach = rng.uniform(0.05, 0.7 if near else 1.6, 4)  # how far the medium reaches past the face, in faces
    corners = np.array(
        [
            [x - reach[0] * w, y - reach[2] * h],
            [x + w + reach[1] * w, y - reach[2] * h],
            [x + w + reach[1] * w, y + h + reach[3] * h],
            [x - reach[0] * w, y + h + reach[3] * h],
        ]
    )
    corners += rng.normal(0, 0.04, (4, 2)) * (w, h)
    scene = _surroundings(image, rng, background)
    border = rng.uniform(0.02, 0.2) * w if bezel or rng.random() < 0.3 else 0.0
    if border:
        outer = corners + border * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        tone = rng.uniform(0.0, 0.15) if bezel and rng.random() < 0.8 else rng.uniform(0.75, 1.0)
        scene = scene + _area(image, outer) * (np.float32(tone) - scene)
    scene = scene + _area(image, corners) * (medium - scene)
    return _fingers(scene, corners, w, rng) if rng.random() < 0.35 else scene


def _area(image: Pixels, corners: NDArray[np.float64]) -> Plane:
    """Returns (H, W, 1), 1 inside the four corners and 0 outside, smooth at the edge."""
    mask = np.zeros(image.shape[:2], np.float32)
    cv2.fillConvexPoly(mask, np.round(corners * 16).astype(np.int32), 1.0, lineType=cv2.LINE_AA, shift=4)
    return mask[:, :, None]


def _bent(medium: Plane, box: Box, rng: np.random.Generator) -> Plane:
    """A sheet that is not flat: rows or columns move by up to three hundredths of the face."""
    y, x = _grid(medium.shape[:2])
    amount, span = rng.uniform(-0.03, 0.03, 2) * box[3], rng.uniform(1.5, 4.0) * box[3]
    phase = rng.uniform(0, 2 * np.pi, 2)
    across = x + np.float32(amount[0]) * np.sin(2 * np.pi * y / span + phase[0]).astype(np.float32)
    down = y + np.float32(amount[1]) * np.sin(2 * np.pi * x / span + phase[1]).astype(np.float32)
    bent = cv2.remap(
        medium,
        across.astype(np.float32),
        down.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    shade = 1 + np.float32(rng.uniform(0, 0.12)) * np.cos(2 * np.pi * x / span + phase[1])
    return np.asarray(bent * shade[:, :, None], dtype=np.float32)


def _fingers(scene: Plane, corners: NDArray[np.float64], width: float, rng: np.random.Generator) -> Plane:
    """A hand holds the medium: one to four fingertips over its left, right or lower edge."""
    skin = np.array([0.85, 0.65, 0.52], np.float32) * np.float32(rng.uniform(0.35, 1.1))
    first, second = ((3, 0), (1, 2), (2, 3))[int(rng.integers(3))]
    start, along = corners[first], corners[second] - corners[first]
    inward = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1.0)
    at = rng.uniform(0.1, 0.7)
    for number in range(int(rng.integers(1, 5))):
        tip = start + along * (at + 0.1 * number) + inward * rng.uniform(0.0, 0.12) * width
        mask = np.zeros(scene.shape[:2], np.float32)
        size = (round(rng.uniform(0.12, 0.3) * width), max(1, round(rng.uniform(0.05, 0.09) * width)))
        angle = float(np.degrees(np.arctan2(inward[1], inward[0])) + rng.normal(0, 10))
        centre = tip - inward * size[0] * 0.8
        cv2.ellipse(mask, (round(centre[0]), round(centre[1])), size, angle, 0, 360, 1.0, -1)
        soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.01 * width)), np.float32)[:, :, None]
        scene = scene + soft * (skin * np.float32(rng.uniform(0.85, 1.1)) - scene)
    return scene


def _surroundings(image: Pixels, rng: np.random.Generator, background: Pixels | None) -> Plane:
    """The scene around the medium: a part of another picture, sharp or out of focus."""
    height, width = image.shape[:2]
    source = image[:, ::-1] if background is None else background
    part = rng.uniform(0.3, 1.0)
    tall, wide = (max(8, round(side * part)) for side in source.shape[:2])
    top = int(rng.integers(source.shape[0] - tall + 1)) if source.shape[0] > tall else 0
    left = int(rng.integers(source.shape[1] - wide + 1)) if source.shape[1] > wide else 0
    cut = np.ascontiguousarray(source[top : top + tall, left : left + wide])
    scene = np.asarray(cv2.resize(cut, (width, height)), np.float32) / np.float32(255)
    if rng.random() < 0.5:
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.005, 0.1) * width), np.float32)
    return np.asarray(scene * np.float32(rng.uniform(0.5, 1.3)), dtype=np.float32)


def _saturate(image: Plane, factor: float) -> Plane:
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    mixed = grey[:, :, None] + np.float32(factor) * (image - grey[:, :, None])
    return np.asarray(np.clip(mixed, 0, 1), dtype=np.float32)


def _grain(size: tuple[int, int], rng: np.random.Generator, strength: float) -> Plane:
    noise = rng.standard_normal(size, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8) * np.float32(2 * strength), dtype=np.float32)


def _grid(size: tuple[int, int]) -> tuple[Plane, Plane]:
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    return y, x
