"""Whether a model's evidence lies on what was changed: replaced parts of composites, and masks of blends.

    python benchmarks/part_hits.py MODEL… [--data data/composites.parquet] [--blends data/celebamask.parquet]
        [--split dev] [--species self-blend] [--sheet sheet.png] [--json out.json]

`--data` is a manifest with five points per face (`data prepare --annotations`) whose attacks name the
replaced parts (`mid:eyes+nose`; `eye_image_left` is the eye on the picture's left). Parts are ellipses around
the points, in sizes of the distance between the eyes. `--blends` has genuine faces; each is blended once, the
seed and its name decide how, and the mask at half its height is the part.

A hit is the share of the strongest cell of the map that lies on the part: the chance that a point drawn in
that cell does. *Chance* is the part's share of the whole map. *Elsewhere* is the hit of the other pictures'
maps of the same set: a map that is the same whatever it is shown hits as often there. Both are also given as
differences with 95 % intervals, a bootstrap over pictures. *By part* asks for each part alone, where it was
replaced and where others were.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from json import dumps
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.disturb import drawn
from facetrust.data.manifest import Manifest, absolute
from facetrust.data.simulate import manipulate
from facetrust.evaluation.groups import words_of
from facetrust.fusion import sigmoid
from facetrust.imaging import Pixels, box_of, fit_within, inputs_of, read_image
from facetrust.imaging.crop import alignment, window_of
from facetrust.models import load_checkpoint
from facetrust.records import Box, Face, ModelCard, Sample, write_text, write_whole
from facetrust.runtime.evidence import EvidenceMap, overlay
from facetrust.runtime.model import load_model
from facetrust.tasks import judge_of

Grid = NDArray[np.float64]
Mask = NDArray[np.bool_]
FINE = 16  # Points per side of a cell at which it is asked whether the part is there.
PARTS = ("eye_image_left", "eye_image_right", "nose", "mouth")
ROUNDS = 2000
TILE = 360  # Pixels of a picture on the sheet.


class Case(NamedTuple):
    """A manipulated picture: what was replaced, as masks (H, W) by name, and how the face is cropped."""

    name: str
    image: Pixels
    box: Box
    points: tuple[tuple[float, float], ...]
    parts: dict[str, Mask]
    replaced: tuple[str, ...]


class Seen(NamedTuple):
    """A model's score and map (gh, gw) of a case, and the share of each cell on each part."""

    score: float
    map: Grid
    shares: dict[str, Grid]


Asked = Callable[[Case], tuple[float, Grid]]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, help="manifest with points, attacks named by replaced parts")
    parser.add_argument("--blends", type=Path, help="manifest with genuine faces to blend")
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--species", default="self-blend")
    parser.add_argument("--most", type=int, default=200, help="pictures of each, evenly spread")
    parser.add_argument("--sheet", type=Path, help="draw the first model's maps of --data here")
    parser.add_argument("--rows", type=int, default=4, help="rows of the sheet, four pictures each")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    sets: dict[str, list[Case]] = {}
    if given.data:
        sets["parts"] = composites(rows_of(given.data, given.split, label=1, most=given.most))
    if given.blends:
        rows = rows_of(given.blends, given.split, label=0, most=given.most)
        sets[given.species] = blends(rows, given.species)
    if not sets:
        parser.error("give --data, --blends, or both")
    figures: dict[str, Any] = {}
    print(f"| {given.split}, share of hits | pictures | hit | chance | less chance | elsewhere | less that |")
    print("|---" * 7 + "|")
    by_part = []
    for model in given.models:
        card, asked = opened(model)
        for name, cases in sets.items():
            seen = [looked(card, asked, case) for case in cases]
            figures[f"{card.title} on {name}"] = row(card.title, name, cases, seen)
            if name == "parts":
                by_part += [part_line(card.title, part, cases, seen) for part in PARTS]
                if given.sheet and model == given.models[0]:
                    draw(given.sheet, card, cases, seen, rows=given.rows)
    if by_part:
        print("\n| by part | replaced: hit | others replaced: hit | chance |\n|---|---|---|---|")
        print("\n".join(by_part))
    if given.json:
        write_text(given.json, dumps(figures, indent=2) + "\n")


def rows_of(path: Path, split: str, *, label: int, most: int) -> list[Sample]:
    """Returns rows of a split and label, at most `most`, evenly spread, with absolute paths."""
    whole = Manifest.read(path)
    rows = [row for row in whole.samples() if row.split == split and row.label == label]
    if not rows:
        raise SystemExit(f"{path}: no rows with label {label} in {split}")
    places = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    return absolute([rows[place] for place in places], whole.root)


def composites(rows: Sequence[Sample]) -> list[Case]:
    """Returns the cases of rows whose attacks name replaced parts."""
    cases = []
    for sample in rows:
        words = [
            word for name in words_of(sample.attack) for word in (PARTS[:2] if name == "eyes" else (name,))
        ]
        replaced = tuple(part for part in PARTS if part in words)
        if sample.points is None:
            raise SystemExit(f"{sample.path}: has no points; prepare it with --annotations")
        if replaced:
            image = read_image(sample.path)
            parts = parts_of(image.shape[:2], np.asarray(sample.points))
            box = box_of(sample, image)
            cases.append(Case(sample.path, image, box, sample.points, parts, replaced))
    return cases


def parts_of(size: tuple[int, ...], points: Grid) -> dict[str, Mask]:
    """Returns masks (H, W) of the eyes, nose and mouth around five points, turned as the eyes are."""
    left, right, nose, *corners = points
    apart = float(np.hypot(*(right - left)))
    angle = float(np.degrees(np.arctan2(*(right - left)[::-1])))
    eyes, mouth = (left + right) / 2, (corners[0] + corners[1]) / 2
    wide = float(np.hypot(*(corners[1] - corners[0]))) / 2
    around = {
        "eye_image_left": (left, 0.36 * apart, 0.28 * apart),
        "eye_image_right": (right, 0.36 * apart, 0.28 * apart),
        "nose": (nose + 0.25 * (eyes - nose), 0.32 * apart, 0.42 * apart),
        "mouth": (mouth, wide + 0.15 * apart, 0.28 * apart),
    }
    masks = {}
    for name, (centre, across, down) in around.items():
        mask = np.zeros(size, np.uint8)
        axes = (max(1, round(across)), max(1, round(down)))
        cv2.ellipse(mask, (round(centre[0]), round(centre[1])), axes, angle, 0, 360, 1, -1)
        masks[name] = mask > 0
    return masks


def blends(rows: Sequence[Sample], species: str) -> list[Case]:
    """Returns a blend of each genuine face, its mask as the only part."""
    root = Path(rows[0].path).parent
    cases = []
    for sample in rows:
        image = read_image(sample.path)
        box = box_of(sample, image)
        made = manipulate(image, box, species=species, rng=drawn(root, sample.path))
        mask = np.asarray(made.mask) > 0.5 * float(np.max(made.mask))
        cases.append(Case(sample.path, made.fake, box, sample.points or (), {"mask": mask}, ("mask",)))
    return cases


def opened(model: str) -> tuple[ModelCard, Asked]:
    """Returns a model's card, and what gives its score and map of a case (of its first crop)."""
    if Path(model).is_dir():
        import torch

        network, card = load_checkpoint(model)

        def by_network(case: Case) -> tuple[float, Grid]:
            crops = inputs_of(case.image, case.box, card.preprocessing, points=case.points or None)
            with torch.no_grad():
                answer = network(torch.from_numpy(crops))
            logit = np.asarray(answer.logit.mean().double())[None]
            return float(sigmoid(logit)[0]), answer.evidence[0].double().numpy()

        return card, by_network
    file = load_model(model, decides=False)

    def by_file(case: Case) -> tuple[float, Grid]:
        points = [case.points] if case.points else None
        answer = file.answer(file.crops(case.image, [case.box], points), evidence=True)
        if answer.evidence is None:
            raise SystemExit(f"{model}: gives no evidence map")
        return float(answer.values[0]), np.asarray(answer.evidence[0, 0], np.float64)

    return file.card, by_file


def looked(card: ModelCard, asked: Asked, case: Case) -> Seen:
    """Returns what a model says of a case, and the share of each cell of its map on each part."""
    score, found = asked(case)
    where = places(card, case, (found.shape[0] * FINE, found.shape[1] * FINE))
    shares = {}
    for part, mask in case.parts.items():
        across, down = np.floor(where).astype(int)
        inside = (across >= 0) & (across < mask.shape[1]) & (down >= 0) & (down < mask.shape[0])
        on = np.zeros(inside.shape)
        on[inside] = mask[down[inside], across[inside]]
        shares[part] = on.reshape(found.shape[0], FINE, found.shape[1], FINE).mean((1, 3))
    return Seen(score, found, shares)


def places(card: ModelCard, case: Case, size: tuple[int, int]) -> Grid:
    """Returns where evenly spread points of a crop lie in its picture, x and y: (2, rows, columns)."""
    preprocessing = card.preprocessing
    down, across = ((np.arange(many) + 0.5) / many for many in size)
    across, down = np.meshgrid(across, down)
    if preprocessing.align == "points":
        height, width = preprocessing.size
        there = np.stack([across * width - 0.5, down * height - 0.5])
        matrix = alignment(case.points, preprocessing.size)
        moved = there - matrix[:, 2, None, None]
        return np.asarray(np.einsum("ij,jhw->ihw", np.linalg.inv(matrix[:, :2]), moved)) + 0.5
    x, y, w, h = window_of(case.image.shape, case.box, preprocessing)
    return np.stack([x + across * w, y + down * h])


def union(seen: Seen, parts: Sequence[str]) -> Grid:
    """Returns the share of each cell on any of the parts, which hardly overlap."""
    return np.minimum(sum((seen.shares[part] for part in parts), np.zeros(seen.map.shape)), 1.0)


def row(title: str, name: str, cases: Sequence[Case], seen: Sequence[Seen]) -> dict[str, Any]:
    """Prints and returns a model's hits on a set."""
    wanted = [union(each, case.replaced) for each, case in zip(seen, cases, strict=True)]
    strongest = [int(each.map.argmax()) for each in seen]
    hit = np.array([part.flat[at] for part, at in zip(wanted, strongest, strict=True)])
    chance = np.array([part.mean() for part in wanted])
    others = np.array(
        [np.delete([part.flat[at] for at in strongest], i).mean() for i, part in enumerate(wanted)]
    )
    figures = {
        "pictures": len(cases),
        "hit": between(hit),
        "chance": float(chance.mean()),
        "less_chance": between(hit - chance),
        "elsewhere": float(others.mean()),
        "less_elsewhere": between(hit - others),
    }
    print(
        f"| {title}, {name} | {len(cases)} | {shown(figures['hit'])} | {chance.mean():.2f} | "
        f"{shown(figures['less_chance'])} | {others.mean():.2f} | {shown(figures['less_elsewhere'])} |"
    )
    return figures


def part_line(title: str, part: str, cases: Sequence[Case], seen: Sequence[Seen]) -> str:
    """Returns a table's row: how often the strongest cell lies on a part that was replaced, or was not."""
    hits = np.array([each.shares[part].flat[int(each.map.argmax())] for each in seen])
    replaced = np.array([part in case.replaced for case in cases])
    chance = float(np.mean([each.shares[part].mean() for each in seen]))
    cells = [
        f"{shown(between(hits[at]))} ({at.sum()})" if at.any() else "none" for at in (replaced, ~replaced)
    ]
    return f"| {title}, {part} | {' | '.join(cells)} | {chance:.2f} |"


def between(values: Grid) -> tuple[float, float, float]:
    """Returns the mean and its 95 % interval over pictures."""
    drawn_means = values[np.random.default_rng(0).integers(len(values), size=(ROUNDS, len(values)))].mean(1)
    low, high = np.quantile(drawn_means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def shown(figure: tuple[float, float, float]) -> str:
    """Returns a mean with its interval as text."""
    return "{:.2f} [{:.2f}, {:.2f}]".format(*figure)


def draw(path: Path, card: ModelCard, cases: Sequence[Case], seen: Sequence[Seen], *, rows: int) -> None:
    """Writes a sheet of maps, evenly spread over the cases, the replaced parts outlined in white."""
    many = min(4 * rows, len(cases))
    tiles = []
    for place in np.linspace(0, len(cases) - 1, many).round().astype(int):
        case, each = cases[place], seen[place]
        outlined = case.image.copy()
        for part in case.replaced:
            edges, _ = cv2.findContours(
                case.parts[part].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(outlined, edges, -1, (255, 255, 255), 1)
        face = Face(
            box=case.box,
            confidence=1.0,
            points=case.points,
            verdicts=(judge_of(card.task)(each.score, card),),
        )
        values = each.map.astype(np.float32)
        heat = EvidenceMap(card.task, case.box, card.preprocessing, values, case.points)
        tile, _ = fit_within(overlay(outlined, [face], [heat]), TILE)
        room = ((0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0))
        tiles.append(np.pad(tile, room, constant_values=255))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 4)
    lines = [np.concatenate(tiles[start : start + 4], axis=1) for start in range(0, len(tiles), 4)]
    _, data = cv2.imencode(".png", np.concatenate(lines)[:, :, ::-1])
    write_whole(path, data.tobytes())


if __name__ == "__main__":
    main()
