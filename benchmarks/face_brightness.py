"""How many faces are found by brightness and by tone of skin, without and with the second, brightened search.

    python benchmarks/face_brightness.py [--faces DIR] [--photos DIR] [--detector yunet.onnx] [--count 240]

`--faces` is a folder in CelebAMask-HQ's layout: a face is the box of its skin, brows, eyes, nose and mouth in
the mask, and its tone the individual typology angle of its skin, atan((L - 50) / b) in degrees, L and b being
the medians in CIELAB, before darkening. The groups are those of Chardon et al., 1991. `--photos` is a folder
in NUAA's layout, whose live pictures have a box each. Pictures are darkened by multiplying their values, so
that they lack the noise of real ones. A face is found if a likely find overlaps its box by 0.4 of their
union.
Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import cv2
import numpy as np

from face_sizes import FACE, FOUND, share
from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.faces.tracks import intersection_over_union
from facetrust.imaging import Pixels, read_image, read_indices
from facetrust.records import Box

FACTORS = (1.0, 0.4, 0.2, 0.1, 0.05)
TONES = ((55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown"), (-91, "dark"))


class Pictured(NamedTuple):
    """A picture's file, the box of its face, and the name of its tone of skin, if it was measured."""

    path: Path
    box: Box
    tone: str = ""


class Hits(NamedTuple):
    """Whether a face was found without and with the brightened search."""

    before: bool
    after: bool


def portraits(folder: Path, *, count: int) -> list[Pictured]:
    """Returns every so-many-th portrait of the folder."""
    with (folder / "classes.csv").open() as file:
        classes = {row["name"]: int(row["index"]) for row in csv.DictReader(file)}
    paths = sorted((folder / "images").glob("*.jpg"))
    made = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        mask = read_indices(folder / "masks" / f"{path.stem}.png")
        rows, columns = np.nonzero(np.isin(mask, [classes[name] for name in FACE]))
        x, y = float(columns.min()), float(rows.min())
        box = (x, y, columns.max() + 1 - x, rows.max() + 1 - y)
        made.append(Pictured(path, box, tone(read_image(path)[mask == classes["skin"]])))
    return made


def tone(skin: Pixels) -> str:
    """Returns the group of the skin's (N, 3) typology angle."""
    lab = cv2.cvtColor(np.float32(skin[None]) / 255, cv2.COLOR_RGB2LAB)[0]
    light, _, yellow = np.median(lab, axis=0)
    angle = math.degrees(math.atan2(light - 50, max(float(yellow), 1e-6)))
    return next(name for least, name in TONES if angle > least)


def photos(folder: Path, *, count: int) -> list[Pictured]:
    """Returns every so-many-th live picture of the folder."""
    with (folder / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "live"]
    return [
        Pictured(folder / row["path"], (float(row["x"]), float(row["y"]), float(row["w"]), float(row["h"])))
        for row in rows[:: max(1, len(rows) // count)][:count]
    ]


def hits_of(pictured: Pictured, detector: Detector, *, factor: float) -> Hits:
    """Returns whether the face is found in the darkened picture."""
    image = np.asarray(np.rint(read_image(pictured.path) * factor), np.uint8)
    with patch("facetrust.faces.detector.brightening", return_value=None):
        before = _is_found(image, pictured.box, detector)
    return Hits(before, before or _is_found(image, pictured.box, detector))


def _is_found(image: Pixels, box: Box, detector: Detector) -> bool:
    found = find_faces(image, detector)
    return found.turns == 0 and any(
        face.confidence >= detector.likely and intersection_over_union(face.box, box) >= FOUND
        for face in found.faces
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, help="folder in CelebAMask-HQ's layout")
    parser.add_argument("--photos", type=Path, help="folder in NUAA's layout")
    parser.add_argument("--detector", type=Path, help="YuNet's .onnx file; MTCNN without it")
    parser.add_argument("--count", type=int, default=240, help="pictures of either folder")
    given = parser.parse_args()

    cv2.setNumThreads(1)
    detector = open_detector(given.detector)
    sets = {}
    if given.faces is not None:
        sets["portraits"] = portraits(given.faces, count=given.count)
    if given.photos is not None:
        sets["live photos"] = photos(given.photos, count=given.count)
    print(f"{detector.name}; recall in per cent without → with the brightened search")
    for name, pictures in sets.items():
        print(f"{name}: {len(pictures)}")
        groups = [group for _, group in TONES if any(each.tone == group for each in pictures)]
        for factor in FACTORS:
            hits = [hits_of(each, detector, factor=factor) for each in pictures]
            rows = [("all", hits)]
            for group in groups:
                chosen = [hit for hit, each in zip(hits, pictures, strict=True) if each.tone == group]
                rows.append((group, chosen))
            for group, chosen in rows:
                before, after = (share(sum(each), len(each)) for each in zip(*chosen, strict=True))
                print(f"  x{factor:<5} {group:13} {len(chosen):4}  {before} → {after}", flush=True)


if __name__ == "__main__":
    main()
