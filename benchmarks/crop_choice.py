"""What to cut and how to fill it: AUC of one model by margin and fill, on plain and on tight pictures.

    python benchmarks/crop_choice.py MODEL MANIFEST [MANIFEST ...] [--split dev]

A tight picture is the same one, cut so that the face nearly fills it, as users hand in. The choice
belongs into the recipe's preprocessing; it is made on dev.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facetrust.data.augment.camera import tighten
from facetrust.data.manifest import Manifest, absolute
from facetrust.imaging import Pixels, box_of, crop_face, read_image, to_tensor
from facetrust.metrics.auc import auc
from facetrust.records import Box, Fill, Sample
from facetrust.runtime.model import Model, load_model

MARGINS = ((1.0,), (1.2,), (1.5,), (2.0,), (1.0, 1.5), (1.1, 1.6), (1.2, 2.0))
FILLS: tuple[Fill, ...] = ("shift", "reflect", "edge", "zero")


def scores(
    model: Model, faces: list[tuple[Pixels, Box]], margins: tuple[float, ...], fill: Fill
) -> np.ndarray:
    """Returns (N,) scores of the faces, cut as asked."""
    how = model.card.preprocessing.model_copy(update={"margins": margins, "fill": fill})
    crops = [
        np.stack([to_tensor(crop_face(image, box, how, margin=margin), how) for margin in margins])
        for image, box in faces
    ]
    return model.score_crops(np.stack(crops)).scores


def main() -> None:
    """Reads the pictures once and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--most", type=int, default=400, help="rows per manifest")
    args = parser.parse_args()
    model = load_model(args.model)
    rows: list[Sample] = []
    for path in args.manifests:
        manifest = Manifest.read(path).only(args.split)
        found = absolute(manifest.samples(), manifest.root)
        keep = np.random.default_rng(0).permutation(len(found))[: args.most]
        rows += [found[index] for index in sorted(keep)]
    labels = np.array([row.label for row in rows])
    plain = [(image := read_image(row.path), box_of(row, image)) for row in rows]
    tight = [tighten(image, box, np.random.default_rng(n)) for n, (image, box) in enumerate(plain)]
    print(f"{model.name}: {len(rows)} {args.split} faces, {labels.sum()} of them attacks; AUC")
    print(f"{'margins':>12} {'fill':>8} {'plain':>7} {'tight':>7}")
    for margins in MARGINS:
        for fill in FILLS:
            found = [auc(labels, scores(model, faces, margins, fill)) for faces in (plain, tight)]
            print(f"{'+'.join(map(str, margins)):>12} {fill:>8} {found[0]:7.3f} {found[1]:7.3f}")


if __name__ == "__main__":
    main()
