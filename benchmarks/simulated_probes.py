"""What trivial measures of a face tell of simulated prints and replays against live faces by the same camera.

    python benchmarks/simulated_probes.py --data MANIFEST [--data MANIFEST ...] [--most 200] [--seed 1]
        [--keep-medium]

Of every genuine train face drawn, shrunk to 112 pixels, a print, a replay and a live picture are made.
With `--keep-medium` the attacks keep their medium's own look, and the live face is as it was.
Printed is the area under the ROC curve of the raw value, an attack being the positive; 0.5 is nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facetrust.data.audit.probes import laplacian, probed_face, saturation, separation
from facetrust.data.manifest import Manifest
from facetrust.data.simulate import SPECIES, beside, simulate
from facetrust.imaging import Pixels, box_of, fit_within, read_image
from facetrust.records import Box, Sample

MEASURES = ("saturation", "tint", "brightness", "laplacian")
_FACE = 112


def measured(image: Pixels, box: Box) -> list[float]:
    """Returns mean saturation, log of blue over red, mean level and the Laplacian's variance of the face."""
    face = probed_face(image, box)
    red, _, blue = face.reshape(-1, 3).mean(0) + 1
    return [saturation(face), float(np.log(blue / red)), float(face.mean()), laplacian(face)]


def made(path: Path, row: Sample, seed: list[int], *, keep_medium: bool) -> dict[str, list[float]]:
    """Returns the measures of each kind of attack on a face, and of the live one beside them."""
    image = read_image(path)
    box = box_of(row, image)
    image, factor = fit_within(image, max(1, round(max(image.shape[:2]) * min(1.0, _FACE / max(box[2:])))))
    x, y, w, h = (side * factor for side in box)
    rng = np.random.default_rng([*seed, 9])
    live = image if keep_medium else beside(image, (x, y, w, h), species=SPECIES, rng=rng)
    found = {"live": live}
    for number, species in enumerate(SPECIES):
        rng = np.random.default_rng([*seed, number])
        found[species] = simulate(image, (x, y, w, h), species=species, rng=rng, keep_medium=keep_medium)
    return {name: measured(picture, (x, y, w, h)) for name, picture in found.items()}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, action="append", required=True, help="prepared manifest")
    parser.add_argument("--most", type=int, default=200, help="faces of a manifest")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-medium", action="store_true", help="as `data simulate` has it")
    asked = parser.parse_args()
    found: dict[str, list[dict[str, list[float]]]] = {}
    for file in asked.data:
        manifest = Manifest.read(file)
        rows = [row for row in manifest.samples() if row.label == 0 and row.split == "train"]
        chosen = np.random.default_rng(asked.seed).permutation(len(rows))[: asked.most]
        start = sum(map(len, found.values()))
        found[file.stem] = [
            made(
                manifest.path_of(rows[place]),
                rows[place],
                [asked.seed, start + number],
                keep_medium=asked.keep_medium,
            )
            for number, place in enumerate(chosen)
        ]
    found["all"] = [each for faces in found.values() for each in faces]
    print(f"{'':12} {'':8} " + " ".join(f"{name:>10}" for name in MEASURES))
    for name, faces in found.items():
        for species in SPECIES:
            values = np.array([face[kind] for kind in ("live", species) for face in faces])
            labels = np.repeat([0, 1], len(faces))
            figures = [separation(labels, values[:, column]) for column in range(len(MEASURES))]
            print(f"{name:12} {species:8} " + " ".join(f"{figure:10.3f}" for figure in figures))


if __name__ == "__main__":
    main()
