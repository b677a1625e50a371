"""How often a track is cut where the face goes on, and how often where it does not.

    python benchmarks/track_cuts.py --data DIR [--detector FILE]

DIR holds `nuaa` and `ffpp`. Pairs of looks at one face: FF++'s films a quarter and half a second apart,
NUAA's live pictures of a session one after another (a second and more apart, in several poses). Pairs that
a splice would bring together: a live picture and a print of the same person, and live pictures of two
people. The limits in `facetrust.faces.appearance` were chosen on the lines named dev.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from facetrust.faces.appearance import Appearance, appearances, face_changes, is_another, scene_changes
from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.imaging import Pixels, read_image
from facetrust.imaging.video import iter_frames, timing_of
from facetrust.runtime.videos import Sampling, sampled

DRAWS = 400  # Pairs drawn of each kind of splice.

Pairs = list[tuple[Appearance, Appearance]]


def main() -> None:
    """Looks and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--detector", type=Path, help="YuNet's .onnx file; MTCNN without it")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    detector = open_detector(given.detector)

    print("| pairs | number | cut, % | by the scene | by the face |")
    print("|---|---|---|---|---|")
    near: Pairs = []
    far: Pairs = []
    for path in sorted((given.data / "ffpp").rglob("*.mp4")):
        looks = sampled(timing_of(path), Sampling(per_second=4))
        seen = [look_at(image, detector) for _, image in iter_frames(path, looks)]
        near += [(one, other) for one, other in pairwise(seen) if one and other]
        far += [(one, other) for one, other in zip(seen, seen[2:], strict=False) if one and other]
    print_line("dev: FF++, 0.25 s apart", near)
    print_line("dev: FF++, 0.5 s apart", far)

    looks_of = nuaa(given.data / "nuaa", detector)
    for part in ("dev", "test"):
        live, attacks = ({key[1:3]: v for key, v in looks_of.items() if key[0] == part and key[3] == label}
                         for label in ("live", "spoof"))  # fmt: skip
        print_line(
            f"{part}: NUAA live, next picture", [pair for seen in live.values() for pair in pairwise(seen)]
        )
        rng = np.random.default_rng(0)
        people = sorted({person for person, _ in live} & {person for person, _ in attacks})
        of = {
            person: [each for key, seen in live.items() if key[0] == person for each in seen]
            for person in people
        }
        prints = {
            person: [each for key, seen in attacks.items() if key[0] == person for each in seen]
            for person in people
        }
        same, others = [], []
        for _ in range(DRAWS):
            one, other = rng.choice(people, 2, replace=False)
            same.append((drawn(of[one], rng), drawn(prints[one], rng)))
            others.append((drawn(of[one], rng), drawn(of[other], rng)))
        print_line(f"{part}: NUAA, live and a print of the same person", same)
        print_line(f"{part}: NUAA, two live people", others)


def nuaa(root: Path, detector: Detector) -> dict[tuple[str, str, str, str], list[Appearance]]:
    """Returns the appearances by (dev or test, person, session, label), in the order of their numbers."""
    with (root / "manifest.csv").open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: [int(n) for n in re.findall(r"\d+", row["path"])])
    found: dict[tuple[str, str, str, str], list[Appearance]] = defaultdict(list)
    for row in rows:
        look = look_at(read_image(root / row["path"]), detector)
        if look is not None:
            part = "test" if row["split_subject_disjoint"] == "test" else "dev"
            found[part, row["subject"], row["session"], row["label"]].append(look)
    return found


def look_at(image: Pixels, detector: Detector) -> Appearance | None:
    """Returns the appearance of the largest likely face."""
    found = find_faces(image, detector)
    likely = [face for face in found.faces if face.confidence >= detector.likely]
    if not likely:
        return None
    return appearances(found.image, [max(likely, key=lambda face: face.box[2] * face.box[3]).box])[0]


def drawn(seen: list[Appearance], rng: np.random.Generator) -> Appearance:
    """Returns one at random."""
    return seen[rng.integers(len(seen))]


def print_line(name: str, pairs: Pairs) -> None:
    """Prints the shares that are cut."""
    cut = 100 * np.mean([is_another(*pair) for pair in pairs])
    scene = 100 * np.mean([scene_changes(*pair) for pair in pairs])
    face = 100 * np.mean([face_changes(*pair) for pair in pairs])
    print(f"| {name} | {len(pairs)} | {cut:.1f} | {scene:.1f} | {face:.1f} |", flush=True)


if __name__ == "__main__":
    main()
