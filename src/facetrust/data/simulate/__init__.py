"""Presentation attacks made from a live face: what a camera sees when it looks at a print or a screen.

A recapture has four stages: the picture is shown on a medium (print or screen) with a fine pattern of its
own; it is brought to the face's brightness, tint, contrast and saturation in the live picture, and is no
sharper; the medium is held in a scene; a camera takes it. A live face beside it is
taken by the same camera, after a blur to the sharpness of such an attack, so that the medium alone tells.
All randomness comes from the generator handed in, so a seed repeats the attack. Moire and colour facts:
He et al., arXiv 2404.08450 (SPSC), and Cai et al., arXiv 2409.03501; the rest is this module's own model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.simulate import digital_spoof, reconstruction, regeneration, self_blend, swap
from facetrust.data.simulate._blending import Blend as Blend  # what `manipulate` returns
from facetrust.data.simulate.capture import captured, exposed, focused, lit, softened
from facetrust.data.simulate.decoder import Decoder, decoded
from facetrust.data.simulate.donors import Donor
from facetrust.data.simulate.prints import bent, printed
from facetrust.data.simulate.scene import around, held, reflecting
from facetrust.data.simulate.screens import displayed
from facetrust.errors import UnknownName, UsageError
from facetrust.imaging import Pixels
from facetrust.imaging.crop import Points
from facetrust.records import Box

Plane = NDArray[np.float32]

SPECIES = ("print", "replay")
SWAPS = ("face-swap", "part-swap")  # manipulations that need another person's face
MANIPULATIONS = (
    "self-blend",
    "digital-spoof",
    *SWAPS,
    "regeneration",
    "reconstruction",
    "decoded",  # by a trained decoder
)  # of the picture itself


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
    keep_medium: bool = False,
) -> Pixels:
    """Returns a simulated attack on a live picture, of the same size, the face where it was.

    Args:
        image: (H, W, 3) uint8 RGB with a live face.
        box: x, y, w, h of the face in pixels.
        species: `"print"` or `"replay"`, or a manipulation (`"self-blend"` without its joint change).
        rng: all choices are drawn from it.
        background: what lies around the print or screen; the picture itself, mirrored, if none is given. A
            manipulation has none, and is not taken by another camera.
        points, donor: see `manipulate`.
        keep_medium: see `recapture`.

    Raises:
        UnknownName: no such species.
        UsageError: a swap without a donor, or a species that only training draws (`"decoded"`).
    """
    check_species([species])
    if species in MANIPULATIONS:
        return manipulate(image, box, species=species, rng=rng, points=points, donor=donor).fake
    medium = recapture(image, box, species=species, rng=rng, background=background, keep_medium=keep_medium)
    return lit(medium, rng) if keep_medium else captured(medium, rng)


def recapture(
    image: Pixels,
    box: Box,
    *,
    species: str,
    rng: np.random.Generator,
    background: Pixels | None = None,
    framed: bool = True,
    keep_medium: bool = False,
) -> Pixels:
    """Returns a print or a screen that shows the picture, before a camera takes it; see `simulate`.

    Args:
        framed: it may end beside the face; otherwise it fills the picture.
        keep_medium: the medium's own brightness, tint, contrast and softness stay, a second lens softens it,
            and `simulate` adds no camera: as of an attacker who takes no care. Each of these alone then tells
            it from a live face.
    """
    scene = around(image, rng, background)
    medium = _reproduced(image, rng).astype(np.float32) / np.float32(255)
    screen = species == "replay"
    medium = displayed(medium, rng) if screen else printed(medium, rng)
    if not screen and rng.random() < 0.5:
        medium = bent(medium, box, rng)
    if rng.random() < (0.5 if screen else 0.2):
        medium = reflecting(medium, scene, rng)
    medium = softened(medium, box, rng) if keep_medium else exposed(medium, image, box)
    if framed and rng.random() < 0.7:
        medium = held(medium, scene, box, rng, bezel=screen)
    shown = np.rint(np.clip(medium, 0, 1) * np.float32(255)).astype(np.uint8)
    return shown if keep_medium else focused(shown, image, box)


def manipulate(
    image: Pixels,
    box: Box,
    *,
    species: str,
    rng: np.random.Generator,
    points: Points | None = None,
    donor: Donor | None = None,
    region: NDArray[np.bool_] | None = None,
    decoder: Decoder | None = None,
) -> Blend:
    """Returns a manipulation as `simulate` makes it, with the genuine picture to see it beside and the mask.

    Args:
        image, box, rng: see `simulate`.
        species: one of `MANIPULATIONS`.
        points: eyes, nose and mouth corners in pixels; guessed from the box without them.
        donor: whose face is pasted in, for the species in `SWAPS`.
        region: (H, W), true on the face, such as parsing tells, in the place of an outline by five points
            (of a face-swap, within both); a part-swap and what is of the whole picture have neither.
        decoder: what makes the picture anew, for `"decoded"`.

    Raises:
        UnknownName: no such species.
        UsageError: a swap without a donor, or no decoder for what is decoded.
    """
    if species == "self-blend":
        return self_blend.self_blend(image, box, rng, points=points, region=region, joint=False)
    if species == "digital-spoof":
        return digital_spoof.digital_spoof(image, box, rng, points=points, region=region)
    if species == "regeneration":
        return regeneration.regeneration(image, box, rng, points=points, region=region)
    if species == "reconstruction":
        return reconstruction.reconstruction(image, rng)
    if species == "decoded":
        if decoder is None:
            raise UsageError("decoded: needs a trained decoder; set data.augment.decoder in a recipe")
        return decoded(image, decoder)
    if species not in SWAPS:
        raise UnknownName("manipulation", species, MANIPULATIONS)
    if donor is None:
        raise UsageError(f"{species}: needs the face of another person, a donor")
    if species == "part-swap":
        return swap.part_swap(image, box, donor, rng, points=points)
    return swap.face_swap(image, box, donor, rng, points=points, region=region)


def beside(image: Pixels, box: Box, *, species: Sequence[str], rng: np.random.Generator) -> Pixels:
    """Returns a genuine picture as it is seen beside simulated ones of these kinds.

    Beside prints and replays it is blurred to the sharpness of such an attack on it, if it is the sharper
    one, and taken by the same camera. A manipulated picture may be changed around the face too; genuine
    pictures are then changed as often and as much, so that only the face tells. Swaps,
    regenerations and reconstructions have no surroundings that are changed.
    """
    kind = str(rng.choice(list(species)))
    if kind == "self-blend":
        return self_blend.as_surroundings(image, box, rng)
    if kind == "digital-spoof":
        return digital_spoof.as_surroundings(image, rng)
    if kind in MANIPULATIONS:
        return image
    return captured(focused(image, recapture(image, box, species=kind, rng=rng), box), rng)


def _reproduced(image: Pixels, rng: np.random.Generator) -> Pixels:
    """The copy that is shown has its own resolution and compression."""
    scale = rng.uniform(0.4, 1.0)
    size = [max(8, round(side * scale)) for side in image.shape[1::-1]]
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.5:
        _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
        small = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
