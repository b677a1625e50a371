"""Whether the maps of a network point at what was planted, and whether the score comes from where they point.

    python benchmarks/faithfulness.py RUN[=EXPORT]|EXPORT … --plant half|blend|paste|photo --data MANIFEST
        [--split dev] [--most 80] [--curves 24] [--methods cam,gradcam]

RUN is a run folder; EXPORT its exported file or bundled name, whose own evidence is measured without PyTorch
and compared with CAM of the run. What is planted into genuine pictures of the manifest:

- `half`: half of a face becomes a simulated print or screen (`planted_evidence.py`)
- `blend`: the face is blended with itself; the mask at half its height counts (`part_hits.py`)
- `paste`: into one quarter of a native window of a photograph, a square from a generated picture of the same
  split; `photo` pastes from another photograph instead, so that only the seams are there to be found

Per method: *hit*, whether the hottest place of the map lies on what was planted; *less chance*, which is its
share of the crop; *less elsewhere*, the hit of the other pictures' maps on this one's mask, as often as which
a map hits that does not look at the picture; *deletion* and *insertion*, the area under the logit as the
hottest pixels are blurred or come back, less that of random maps of 8 x 8 cells: below 0 and above 0 are
good; *random weights*, the rank correlation with the map of the same network with shuffled weights: near 0 is
good. `centre` is a map that is hottest in the middle of every picture. Areas are of the first
`--curves` pictures. Intervals are at 95 %, a bootstrap over pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from facetrust import registry
from facetrust.errors import MissingExtra, UsageError
from facetrust.explain.attribution import attribute
from facetrust.explain.faithfulness import (
    blurred,
    deletion,
    insertion,
    pointing,
    rank_correlation,
    resized,
)
from facetrust.explain.random_weights import with_shuffled_weights
from facetrust.imaging import Pixels, box_of, crops_of, inputs_of, read_image
from facetrust.imaging.crop import window_of
from facetrust.models import load_checkpoint
from facetrust.records import Box, ModelCard, Preprocessing, Sample
from facetrust.runtime.model import Model, load_model
from part_hits import between, blends, rows_of
from planted_evidence import plant

Maps = NDArray[np.float32]
PLANTS = ("half", "blend", "paste", "photo")
METHODS = ("cam", "gradcam", "gradcam-plus-plus", "spatial-attention", "attention", "rollout")
SEAM = 4  # Pixels over which a pasted square fades in.
CELLS = 8  # Of a random map, per side.
STEPS = 16  # Of deletion and insertion.


class Case(NamedTuple):
    """A picture with something planted: where (H, W), the face's box and points, and the crop looked at."""

    image: Pixels
    mask: NDArray[np.bool_]
    box: Box
    points: Any = None
    crop: int = 0


class Measured(NamedTuple):
    """What was measured of a method, one value per picture."""

    hit: NDArray[np.float64]
    chance: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    stays: NDArray[np.float64]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="RUN[=EXPORT]|EXPORT")
    parser.add_argument("--plant", choices=PLANTS, required=True)
    parser.add_argument("--data", type=Path, required=True, help="manifest")
    parser.add_argument("--split", choices=("train", "dev"), default="dev")
    parser.add_argument("--most", type=int, default=80, help="pictures, evenly spread")
    parser.add_argument(
        "--curves", type=int, default=24, help="of how many of these areas are measured; may be 0"
    )
    parser.add_argument("--methods", default=",".join(METHODS), help="of run folders, comma-separated")
    given = parser.parse_args()
    print(f"Planted: {given.plant}, {given.split} of {given.data.name}; areas in logits\n")
    print(
        "| | hit | less chance | less elsewhere | deletion | insertion | random weights |\n"
        + "|---" * 7
        + "|"
    )
    for each in given.models:
        run, _, exported = each.partition("=") if Path(each.partition("=")[0]).is_dir() else ("", "", each)
        model = load_model(exported, decides=False) if exported else None
        network, card = load_checkpoint(run) if run else (None, model.card)
        if model and model.card.preprocessing != card.preprocessing:
            raise SystemExit(f"{each}: the run and the exported model do not see pictures alike")
        cases = cases_of(given.plant, given.data, given.split, given.most, card.preprocessing)
        crops = np.stack([crop_of(case, card) for case in cases])
        masks = np.stack([mask_of(case, card) for case in cases])
        own = None if model is None else registry.build("explain.methods", "evidence", model, crops)
        if network:
            maps = maps_of(network, crops, given.methods.split(","))
            others = maps_of(with_shuffled_weights(network, torch.from_numpy(crops)), crops, list(maps))
            areas = areas_of(crops[: given.curves], logits_of(network))
            for name, heat in {**maps, "centre": centre(len(crops), crops.shape[2:])}.items():
                report(f"{Path(run).name} {name}", measured(heat, crops, masks, areas, others.get(name)))
        if own is not None:
            areas = areas_of(crops[: given.curves], scores_of(model))
            report(f"{exported} evidence", measured(own, crops, masks, areas, None))
        if network and own is not None and "cam" in maps:
            print(f"<!-- {distance(exported, maps['cam'], own)} -->")


def cases_of(plant: str, data: Path, split: str, most: int, how: Preprocessing) -> list[Case]:
    """Returns at most `most` pictures with something planted; the same under the same arguments."""
    rows = rows_of(data, split, label=0, most=most)
    if plant == "half":
        return list(halves(rows))
    if plant == "blend":
        return [
            Case(case.image, case.parts["mask"], case.box, case.points or None)
            for case in blends(rows, "self-blend")
        ]
    generated = rows_of(data, split, label=1, most=most) if plant == "paste" else rows[1:] + rows[:1]
    return list(pastes(rows, generated, how))


def halves(rows: Sequence[Sample]) -> Iterator[Case]:
    """Yields faces of which half is a simulated attack, seen by one camera."""
    for number, row in enumerate(rows):
        image = read_image(row.path)
        box = box_of(row, image)
        made = plant(image, box, row.path, np.random.default_rng([0, number]), camera=True)
        yield Case(made.shown, made.share > 0.5, box, row.points)


def pastes(rows: Sequence[Sample], others: Sequence[Sample], how: Preprocessing) -> Iterator[Case]:
    """Yields photographs with a square of another picture in one of their native windows."""
    for number, row in enumerate(rows):
        rng = np.random.default_rng([0, number])
        image, other = read_image(row.path), read_image(others[number % len(others)].path)
        box = box_of(row, image)
        crop = int(rng.integers(len(how.margins)))
        x, y, w, h = (round(side) for side in window_of(image.shape, box, how, crop=crop))
        side = min(w, h, *other.shape[:2]) // 2
        left, top = (start + int(rng.integers(2)) * (size - side) for start, size in ((x, w), (y, h)))
        from_left, from_top = (
            int(rng.integers(size - side + 1)) for size in (other.shape[1], other.shape[0])
        )
        edge = np.minimum(np.arange(side), np.arange(side)[::-1]) + 1
        share = np.clip(np.minimum.outer(edge, edge) / SEAM, 0, 1)[:, :, None]
        there = image[top : top + side, left : left + side]
        piece = other[from_top : from_top + side, from_left : from_left + side]
        shown, mask = image.copy(), np.zeros(image.shape[:2], bool)
        shown[top : top + side, left : left + side] = np.rint(there + share * (piece.astype(float) - there))
        mask[top : top + side, left : left + side] = True
        yield Case(shown, mask, box, None, crop)


def crop_of(case: Case, card: ModelCard) -> NDArray[np.float32]:
    """Returns what the network is fed of a case (3, h, w)."""
    return inputs_of(case.image, case.box, card.preprocessing, points=case.points)[case.crop]


def mask_of(case: Case, card: ModelCard) -> NDArray[np.bool_]:
    """Returns where in that crop something was planted (h, w)."""
    shown = np.repeat(np.uint8(255) * case.mask[:, :, None].astype(np.uint8), 3, axis=2)
    crop = crops_of(shown, case.box, card.preprocessing, points=case.points)[case.crop]
    return np.asarray(crop[:, :, 0] > 127)


def maps_of(network: torch.nn.Module, crops: Maps, methods: Sequence[str]) -> dict[str, Maps]:
    """Returns the maps (N, h, w) of crops by each method that the network has."""
    found = {}
    for method in methods:
        try:
            parts = [
                attribute(network, torch.from_numpy(part), method=method).heat for part in batches(crops)
            ]
        except (UsageError, MissingExtra) as error:
            print(f"<!-- {method}: {error} -->")
            continue
        found[method] = np.concatenate(parts)
    return found


def batches(crops: Maps, size: int = 32) -> list[Maps]:
    """Returns the crops in parts of a size."""
    return [crops[start : start + size] for start in range(0, len(crops), size)]


def centre(count: int, size: tuple[int, ...]) -> Maps:
    """Returns maps (N, h, w) that are hottest in the middle, whatever the picture."""
    down, across = (np.square((np.arange(side) + 0.5) / side - 0.5) for side in size)
    return np.repeat(-np.add.outer(down, across)[None].astype(np.float32), count, axis=0)


def logits_of(network: torch.nn.Module) -> Callable[[Maps], NDArray[np.float64]]:
    """Returns what gives logits (N,) of crops by a network."""

    def logits(crops: Maps) -> NDArray[np.float64]:
        with torch.no_grad():
            return network(torch.from_numpy(crops)).logit.double().numpy()

    return logits


def scores_of(model: Model) -> Callable[[Maps], NDArray[np.float64]]:
    """Returns what gives logits (N,) of crops by an exported model."""

    def logits(crops: Maps) -> NDArray[np.float64]:
        values = np.clip(model.answer(crops).values, 1e-7, 1 - 1e-7)
        return np.log(values) - np.log1p(-values)

    return logits


def measured(
    maps: Maps,
    crops: Maps,
    masks: NDArray[np.bool_],
    areas: Callable[[Maps], NDArray[np.float64]],
    others: Maps | None,
) -> Measured:
    """Returns a method's figures, one value per picture."""
    fine = np.stack([resized(heat, crops.shape[2:]) for heat in maps])
    hits = np.array([[pointing(heat, mask) for heat in fine] for mask in masks])
    found = areas(fine)
    stays = [rank_correlation(*pair) for pair in zip(maps, others, strict=True)] if others is not None else []
    return Measured(
        hit=np.diag(hits),
        chance=masks.mean((1, 2)),
        elsewhere=(hits.sum(1) - np.diag(hits)) / max(1, len(hits) - 1),
        deletion=found[:, 0],
        insertion=found[:, 1],
        stays=np.array([each for each in stays if np.isfinite(each)]),
    )


def areas_of(
    crops: Maps, scores: Callable[[Maps], NDArray[np.float64]]
) -> Callable[[Maps], NDArray[np.float64]]:
    """Returns what gives areas (N, 2) of deletion and insertion by maps (N, h, w), less random maps'."""
    baselines = [blurred(crop) for crop in crops]

    def areas(maps: Maps) -> NDArray[np.float64]:
        found = np.array(
            [
                [curve(crop, heat, scores, base, steps=STEPS).area for curve in (deletion, insertion)]
                for crop, heat, base in zip(crops, maps[: len(crops)], baselines, strict=True)
            ]
        )
        return found.reshape(-1, 2)

    noise = np.random.default_rng(1).random((len(crops), CELLS, CELLS)).astype(np.float32)
    random = areas(np.array([resized(heat, crops.shape[2:]) for heat in noise]))
    return lambda maps: areas(maps) - random


def report(name: str, found: Measured) -> None:
    """Prints a row."""
    less = (found.hit - found.chance, found.hit - found.elsewhere)
    columns = (found.hit, *less, found.deletion, found.insertion, found.stays)
    cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*between(each)) if each.size else "" for each in columns]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def distance(name: str, ours: Maps, theirs: Maps) -> str:
    """Returns how far an exported evidence map lies from CAM in torch, as text."""
    drawn = np.stack([resized(heat, ours.shape[1:]) for heat in theirs])
    apart, span = np.abs(drawn - ours).max(), np.ptp(ours, axis=(1, 2)).mean()
    return (
        f"{name}: its evidence and CAM of the run differ by {apart:.1e} logits at most, in any place of "
        f"{len(ours)} maps, which span {span:.1f} logits each"
    )


if __name__ == "__main__":
    main()
