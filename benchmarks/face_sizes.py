"""How many faces of each size are found in large pictures, at what cost.

    python benchmarks/face_sizes.py --faces DIR --scenes DIR [--detector yunet.onnx] [--smallest 40]

`--faces` is a folder in CelebAMask-HQ's layout (images/*.jpg, masks/*.png, classes.csv): the side of a face
is the longer one of the box of its skin, brows, eyes, nose and mouth in the mask. Whole portraits are shrunk
until their face has the side asked for, and pasted where they do not touch, on a mosaic of `--scenes`.
Sizes, places and faces are drawn with a fixed seed. A face is found if a box overlaps its box by 0.4 of their
union. `other` are boxes that are none of the pasted faces. Printed for the picture as a whole (shrunk to 640
pixels, without tiles) and for the search with tiles; seconds are the processor's, of one thread, and
intervals Wilson's, at 95 %.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.faces.detector import SEARCH, WHOLE, Detector, Search, find_faces, open_detector
from facetrust.faces.tracks import intersection_over_union
from facetrust.imaging import Pixels, read_image, read_indices
from facetrust.records import Box

SIZES = (16, 20, 24, 32, 40, 60, 90, 200)
FACE = {"skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip"}
FOUND = 0.4


class Portrait(NamedTuple):
    """A picture (H, W, 3) and the box of its face."""

    image: Pixels
    box: Box


class Scene(NamedTuple):
    """A made picture and the boxes of the faces pasted into it."""

    image: Pixels
    boxes: list[Box]


def portraits(folder: Path, *, count: int) -> list[Portrait]:
    """Returns every so-many-th portrait of the folder, `count` in all."""
    rows = (line.split(",") for line in (folder / "classes.csv").read_text().splitlines()[1:])
    classes = [int(row[0]) for row in rows if row[1] in FACE]
    paths = sorted((folder / "images").glob("*.jpg"))
    made = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        mask = read_indices(folder / "masks" / f"{path.stem}.png")
        rows_, columns = np.nonzero(np.isin(mask, classes))
        x, y = float(columns.min()), float(rows_.min())
        made.append(Portrait(read_image(path), (x, y, columns.max() + 1 - x, rows_.max() + 1 - y)))
    return made


def mosaic(size: tuple[int, int], scenes: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Returns a picture (height, width, 3) of squares of 320 pixels, each a scene."""
    made = np.empty((*size, 3), np.uint8)
    for y in range(0, size[0], 320):
        for x in range(0, size[1], 320):
            cell = cv2.resize(scenes[rng.integers(len(scenes))], (320, 320), interpolation=cv2.INTER_AREA)
            made[y : y + 320, x : x + 320] = cell[: size[0] - y, : size[1] - x]
    return made


def pasted(
    canvas: Pixels, people: Sequence[Portrait], sides: Sequence[int], rng: np.random.Generator
) -> Scene:
    """Returns the canvas with a portrait per side, each at a free place."""
    image = canvas.copy()
    taken = np.zeros(canvas.shape[:2], bool)
    boxes: list[Box] = []
    for side in sides:
        person = people[rng.integers(len(people))]
        factor = side / max(person.box[2:])
        patch = cv2.resize(person.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        height, width = patch.shape[:2]
        while True:
            y = int(rng.integers(image.shape[0] - height))
            x = int(rng.integers(image.shape[1] - width))
            if not taken[y : y + height, x : x + width].any():
                break
        image[y : y + height, x : x + width] = patch
        taken[y : y + height, x : x + width] = True
        left, top, w, h = (edge * factor for edge in person.box)
        boxes.append((x + left, y + top, w, h))
    return Scene(image, boxes)


def crowd(people: Sequence[Portrait], rng: np.random.Generator) -> Scene:
    """Returns 2400 x 1800 pixels of 1,200 portraits of 60 pixels, edge to edge."""
    image = np.empty((1800, 2400, 3), np.uint8)
    boxes: list[Box] = []
    for y in range(0, 1800, 60):
        for x in range(0, 2400, 60):
            person = people[rng.integers(len(people))]
            factor = 60 / person.image.shape[0]
            image[y : y + 60, x : x + 60] = cv2.resize(person.image, (60, 60), interpolation=cv2.INTER_AREA)
            left, top, w, h = (edge * factor for edge in person.box)
            boxes.append((x + left, y + top, w, h))
    return Scene(image, boxes)


def scenes_of(
    people: Sequence[Portrait], backgrounds: Sequence[Pixels], *, seed: int
) -> Iterator[tuple[str, Scene]]:
    """Yields each scene with its name."""
    rng = np.random.default_rng(seed)
    for side in SIZES:
        canvas = mosaic((3000, 4000), backgrounds, rng)
        yield f"{side} px in 4000x3000", pasted(canvas, people, [side] * 60, rng)
    canvas = mosaic((1000, 12000), backgrounds, rng)
    yield "40 px in 12000x1000", pasted(canvas, people, [40] * 60, rng)
    yield "crowd of 1,200", crowd(people, rng)
    yield "no face in 4000x3000", Scene(mosaic((3000, 4000), backgrounds, rng), [])


def matched(scene: Scene, found: Sequence[Box]) -> int:
    """Returns how many of the pasted faces were found."""
    hits: NDArray[np.bool_] = np.zeros(len(scene.boxes), bool)
    centres = np.asarray([(x + w / 2, y + h / 2) for x, y, w, h in scene.boxes]).reshape(-1, 2)
    for box in found:
        middle = (box[0] + box[2] / 2, box[1] + box[3] / 2)
        for row in np.nonzero(np.abs(centres - middle).max(axis=1, initial=0) < max(box[2:]))[0]:
            hits[row] |= intersection_over_union(scene.boxes[row], box) >= FOUND
    return int(hits.sum())


def searched(scene: Scene, detector: Detector, search: Search) -> tuple[int, int, float]:
    """Returns how many faces were found, how many boxes are none of them, and the seconds it took."""
    start = time.process_time()
    boxes = [face.box for face in find_faces(scene.image, detector, search=search).faces]
    seconds = time.process_time() - start
    found = matched(scene, boxes)
    return found, len(boxes) - found, seconds


def share(found: int, count: int) -> str:
    """Returns a share in per cent with its interval."""
    mean, z = found / count, 1.96
    middle = mean + z * z / (2 * count)
    half = z * math.sqrt(mean * (1 - mean) / count + z * z / (4 * count * count))
    low, high = ((middle + sign * half) / (1 + z * z / count) for sign in (-1, 1))
    return f"{100 * mean:5.1f} [{100 * max(low, 0):.1f}, {100 * high:.1f}]"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, required=True, help="folder in CelebAMask-HQ's layout")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of pictures without faces")
    parser.add_argument("--detector", type=Path, help="YuNet's .onnx file; MTCNN without it")
    parser.add_argument("--smallest", type=int, default=SEARCH.smallest, help="smallest face in pixels")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    cv2.setNumThreads(1)
    detector = open_detector(given.detector)
    people = portraits(given.faces, count=given.people)
    paths = sorted(given.scenes.rglob("*.jpg"))
    if not paths:
        parser.error(f"{given.scenes}: no .jpg file in it")
    backgrounds = [read_image(path) for path in paths]
    search = SEARCH._replace(smallest=given.smallest)
    print(f"{detector.name}, smallest face {given.smallest}, {len(people)} people, seed {given.seed}")
    print(
        "scene                  faces  whole: found  seconds   tiles: found %   other  seconds  per megapixel"
    )
    for name, scene in scenes_of(people, backgrounds, seed=given.seed):
        before, after = (searched(scene, detector, each) for each in (WHOLE, search))
        mega = scene.image.shape[0] * scene.image.shape[1] / 1e6
        recall = share(after[0], len(scene.boxes)) if scene.boxes else ""
        print(
            f"{name:22} {len(scene.boxes):5}  {before[0]:12} {before[2]:8.2f}   {recall:20} "
            f"{after[1]:6} {after[2]:8.2f}  {after[2] / mega:13.3f}",
            flush=True,
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
