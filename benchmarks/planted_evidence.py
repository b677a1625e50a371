"""How often a model's evidence map points at the half of a live face that was made a print or a screen.

    python benchmarks/planted_evidence.py MODEL [MODEL ...] --data MANIFEST [--split dev] [--no-camera]

On every genuine face one half of the crop (left, right, top or bottom, drawn) is replaced by a simulated
print or replay of the same face, without frame or hand, of the same brightness, tint, contrast and sharpness;
the seam is feathered over a tenth of the face, and one camera takes both halves (`--no-camera`: none does).
A hit is a picture whose evidence is highest, or higher in the mean, in the planted half. Sides are drawn
evenly, so chance is 50 % wherever a map likes to be high; the row "nothing planted" takes the same halves of
the face without an attack. Intervals are at 95 %, people being drawn with replacement.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.manifest import Manifest
from facetrust.data.simulate import SPECIES, recapture
from facetrust.data.simulate.capture import captured, focused
from facetrust.imaging import Pixels, box_of, read_image
from facetrust.imaging.crop import window_of
from facetrust.records import Box, Sample
from facetrust.runtime.model import Model, load_model

SIDES = ("left", "right", "top", "bottom")
_SEAM = 0.1  # Of the face's side.


class Planted(NamedTuple):
    """A face with a planted half, the same without, how much of each pixel is planted, and of what kind."""

    shown: Pixels
    plain: Pixels
    share: NDArray[np.float32]
    species: str
    person: str


def half(size: tuple[int, int], box: Box, side: str) -> NDArray[np.float32]:
    """Returns (H, W): 1 in the named half of the picture as seen from the face's middle, 0 in the other."""
    x, y, w, h = box
    level = side in ("top", "bottom")
    place, middle = np.arange(size[0] if level else size[1]) + 0.5, y + h / 2 if level else x + w / 2
    rise = np.clip((place - middle) / (_SEAM * max(w, h)) + 0.5, 0, 1).astype(np.float32)
    rise = 1 - rise if side in ("left", "top") else rise
    return np.ascontiguousarray(np.broadcast_to(rise[:, None] if level else rise, size))


def plant(image: Pixels, box: Box, person: str, rng: np.random.Generator, *, camera: bool) -> Planted:
    """Returns a live face, half of which is an attack; all is drawn from `rng`."""
    species, side = str(rng.choice(SPECIES)), str(rng.choice(SIDES))
    attack = recapture(image, box, species=species, rng=rng, framed=False)
    live, share = focused(image, attack, box), half(image.shape[:2], box, side)
    mixed = live + share[:, :, None] * (attack.astype(np.float32) - live)
    pictures = [np.clip(np.rint(mixed), 0, 255).astype(np.uint8), live]
    if camera:
        seed = int(rng.integers(2**32))
        pictures = [captured(picture, np.random.default_rng(seed)) for picture in pictures]
    return Planted(pictures[0], pictures[1], share, species, person)


def hits(model: Model, image: Pixels, box: Box, share: NDArray[np.float32]) -> tuple[float, float]:
    """Returns whether the map's maximum and larger mean lie in the planted half: 0, 1, or 0.5 for a tie."""
    evidence = model.score_with_evidence(image, [box]).evidence
    if evidence is None:
        raise SystemExit(f"{model.name}: has no evidence map")
    values = evidence[0, 0]
    x, y, w, h = window_of(image.shape, box, model.card.preprocessing)
    rows, columns = values.shape
    across = (x + (np.arange(columns) + 0.5) * w / columns - 0.5).astype(np.float32)
    down = (y + (np.arange(rows) + 0.5) * h / rows - 0.5).astype(np.float32)
    grid = np.meshgrid(across, down)
    inside = cv2.remap(share, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 0.5
    if inside.all() or not inside.any():
        return 0.5, 0.5
    return tuple(
        (np.sign(measure(values[inside]) - measure(values[~inside])) + 1) / 2 for measure in (np.max, np.mean)
    )


def rate(found: NDArray[np.float64], people: list[str]) -> str:
    """Returns a mean in per cent with its 95 % interval over people."""
    _, place = np.unique(people, return_inverse=True)
    count, total = np.bincount(place), np.bincount(place, weights=found)
    drawn = np.random.default_rng(0).integers(len(count), size=(2000, len(count)))
    low, high = np.quantile(total[drawn].sum(1) / count[drawn].sum(1), (0.025, 0.975))
    return f"{100 * found.mean():5.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def genuine(files: list[Path], split: str, most: int, seed: int) -> Iterator[tuple[Path, Sample]]:
    """Yields at most `most` genuine rows of each manifest."""
    for file in files:
        manifest = Manifest.read(file)
        rows = [row for row in manifest.samples() if row.label == 0 and row.split == split]
        for place in sorted(np.random.default_rng(seed).permutation(len(rows))[:most]):
            yield manifest.path_of(rows[place]), rows[place]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, action="append", required=True, help="prepared manifest")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--most", type=int, default=100, help="faces of a manifest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-camera", action="store_true")
    asked = parser.parse_args()
    models = [load_model(name) for name in asked.models]
    faces, boxes = [], []
    for number, (path, row) in enumerate(genuine(asked.data, asked.split, asked.most, asked.seed)):
        image = read_image(path)
        boxes.append(box_of(row, image))
        rng = np.random.default_rng([asked.seed, number])
        person = row.subject or row.media or row.path
        faces.append(plant(image, boxes[-1], person, rng, camera=not asked.no_camera))
    people = [face.person for face in faces]
    print(f"{len(faces)} faces of {len(set(people))} people; chance is 50 %; maximum, then larger mean, in %")
    for model in models:
        for name in (*SPECIES, "all", "nothing planted"):
            kept = [n for n, face in enumerate(faces) if name not in SPECIES or face.species == name]
            pictures = [faces[n].plain if name == "nothing planted" else faces[n].shown for n in kept]
            found = np.array(
                [
                    hits(model, picture, boxes[n], faces[n].share)
                    for n, picture in zip(kept, pictures, strict=True)
                ]
            )
            who = [people[n] for n in kept]
            print(f"{model.name:20} {name:16} {rate(found[:, 0], who):22} {rate(found[:, 1], who)}")


if __name__ == "__main__":
    main()
