"""What passes when the picture is cut closely around the face, and what a limit of room leaves unjudged.

    facetrust export antispoof-tiny --limits antispoof-tiny --limit least_room=0 --out out/anywhere.onnx
    python benchmarks/picture_cuts.py out/anywhere.onnx --data data/nuaa.parquet [--split dev]

Each face of the manifests, whose pictures must show its surroundings, is cut to a square around it, as many
sides of its box as `room` says. One row per cut: faces within the limits of the model's card, of these the
attacks below its threshold and the genuine faces at or above it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facetrust.data.manifest import Manifest, absolute
from facetrust.evaluation.invariance import qualities_of
from facetrust.evaluation.scorers import Reader, open_scorer
from facetrust.imaging import Pixels, box_of, read_sample
from facetrust.records import QualityLimits, Sample

ROOMS = (None, 1.6, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.75)


def main() -> None:
    """Prints a table a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--split", default="dev", choices=("train", "dev", "test"))
    given = parser.parse_args()
    read = [Manifest.read(file) for file in given.data]
    rows = [row for each in read for row in absolute(each.only(given.split).samples(), each.root)]
    attack = np.array([bool(row.label) for row in rows])
    for model in given.models:
        card, scorer = open_scorer(model)
        limits = card.limits or QualityLimits()
        print(f"\n{card.name}, {attack.sum()} attacks, {(~attack).sum()} genuine faces, {given.split}\n")
        print("| room | attacks judged, % | of these pass | genuine judged, % | of these refused |")
        print("|---|---|---|---|---|")
        for room in ROOMS:
            reader = cut_to(room)
            scores = np.array([float(each) for each in scorer(rows, reader)])
            qualities = qualities_of(rows, reader)
            judged = np.array([each is not None and limits.reason(each) is None for each in qualities])
            cells = []
            for which, wrong in ((attack, scores < card.threshold), (~attack, scores >= card.threshold)):
                count = int((judged & which).sum())
                share = f"{100 * (judged & which & wrong).sum() / count:.0f}" if count else "-"
                cells += [f"{100 * count / max(1, which.sum()):.0f}", share]
            print(f"| {room or 'whole'} | {' | '.join(cells)} |", flush=True)


def cut_to(room: float | None) -> Reader:
    """Reads samples cut to a square of `room` long sides of the face; whole without."""

    def read(row: Sample) -> tuple[Pixels, Sample]:
        image, sample = read_sample(row)
        if room is None:
            return image, sample
        x, y, w, h = box_of(sample, image)
        side, middle = room * max(w, h), (x + w / 2, y + h / 2)
        left, top = (max(0, round(at - side / 2)) for at in middle)
        right, bottom = (
            min(most, round(at + side / 2)) for at, most in zip(middle, image.shape[1::-1], strict=True)
        )
        shown = {
            "x": max(x, left) - left,
            "y": max(y, top) - top,
            "w": min(x + w, right) - max(x, left),
            "h": min(y + h, bottom) - max(y, top),
            "points": None,
        }
        return np.ascontiguousarray(image[top:bottom, left:right]), sample.model_copy(update=shown)

    return read


if __name__ == "__main__":
    main()
