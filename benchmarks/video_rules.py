"""How much of a video must be an attack to be found: recall by length and false alarms, by fusion rule.

    python benchmarks/video_rules.py --data DIR [--model antispoof-tiny] [--detector FILE]
        [--blends SPECIES] [--dev-only] [--scores scores.json] [--seconds 30] [--clips 60] [--json out.json]

DIR holds `nuaa`, `padmix` and `ffpp`. Every picture is scored once, as `check` scores it, and kept in
`--scores` for the next run with this model. A clip is a walk to and fro through one person's or camera's
live pictures in their order, each standing for a second, which is four looks; in an attacked clip, one
stretch is a walk through attacks of the same group instead, and the track is taken to go on over both
seams. The margin of `worst-stretch` is chosen on development clips (NUAA val, padmix train): the smallest
by which no more genuine clips are refused than `--alarms`, or where the trimmed mean alone refuses more
than that, `--alarms` more than it. Figures are of other people and cameras (NUAA test, padmix dev, FF++
originals, the last as they are, four looks a second), at the first threshold of the model's card; groups
count alike, 95 % intervals are of a bootstrap over groups.

With `--blends self-blend` (or another species of `facetrust data simulate`) the attacks are blends of the
live pictures instead, for a model that looks for manipulations: those of a person and session are blended by
the same draws, and live and blended pictures both go through H.264 (rate factor 23, the last of five equal
frames) before they are scored. `--dev-only` leaves the other people and cameras unscored.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.disturb import disturb
from facetrust.data.simulate import manipulate
from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.fusion import MARGIN, STRETCH, mean, trimmed_mean, worst_stretch
from facetrust.imaging import Pixels, read_image
from facetrust.imaging.video import iter_frames, timing_of
from facetrust.records import Face, write_text
from facetrust.runtime.model import Model, load_model
from facetrust.runtime.videos import Sampling, sampled

RATE = 4  # Looks per second, as `check` takes.
LENGTHS = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
STRETCHES = (0.5, 1.0, 2.0)
MARGINS = np.arange(0.0, 4.01, 0.25)
FEWEST = 4  # Pictures that make a walk.
CODED = 23  # H.264's constant rate factor, that of FaceForensics++'s c23.

Rule = Callable[[Sequence[float], Sequence[float]], float]
Rates = dict[float, dict[str, float]]  # Length of the attack in seconds, 0 for none → group → share refused.


class Walks(NamedTuple):
    """A group's scores in their order: of each live person or camera, and of each attack; looks per score."""

    live: list[list[float]]
    attacks: list[list[float]]
    looks: int


def main() -> None:
    """Scores, chooses and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="antispoof-tiny")
    parser.add_argument("--detector", type=Path, help="YuNet's .onnx file; MTCNN without it")
    parser.add_argument("--blends", metavar="SPECIES", help="blend live pictures; both are encoded anew")
    parser.add_argument("--dev-only", action="store_true", help="score and print development groups only")
    parser.add_argument("--scores", type=Path, help="read if it is there, else written")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--clips", type=int, default=60, help="per group and length")
    parser.add_argument("--alarms", type=float, default=0.03)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()

    cv2.setNumThreads(1)
    model = load_model(given.model)
    made_with = (model.name, given.blends, given.dev_only)
    parts = ("dev",) if given.dev_only else ("dev", "test")
    if given.scores is not None and given.scores.is_file():
        scored = json.loads(given.scores.read_text())
        if (scored["model"], scored.get("blends"), scored.get("dev_only", False)) != made_with:
            parser.error(f"{given.scores}: are other scores, of {scored['model']}")
    else:
        scored = dict(zip(("model", "blends", "dev_only"), made_with, strict=True))
        scored |= scores_of(
            given.data, model, open_detector(given.detector), blends=given.blends, parts=parts
        )
        if given.scores is not None:
            write_text(given.scores, json.dumps(scored))
    dev, test = groups_of(scored["nuaa"], scored["padmix"], scored["ffpp"])
    looks = round(given.seconds * RATE)
    threshold = model.threshold
    groups = {"dev": dev, "test": test}
    clips = {name: clips_of(groups[name], looks=looks, count=given.clips) for name in parts}

    def rates(part: str, rule: Rule) -> Rates:
        return refused(clips[part], rule, threshold)

    rules: dict[str, Rule] = {"trimmed-mean": trimmed_mean, "mean": mean, "highest look": highest}
    before = over(rates("dev", trimmed_mean)[0.0])
    allowed = given.alarms if before <= given.alarms else before + given.alarms
    for stretch in STRETCHES:
        for margin in MARGINS:
            rule = partial(worst_stretch, stretch=stretch, margin=float(margin))
            if over(rates("dev", rule)[0.0]) <= allowed:
                break
        rules[f"worst {stretch:g} s less {margin:g}"] = rule
    for stretch in STRETCHES:
        rules[f"all looks of {stretch:g} s"] = partial(agreeing, stretch=stretch)
    rules.setdefault(f"worst {STRETCH:g} s less {MARGIN:g}", worst_stretch)
    print(f"{model.name}, threshold {threshold:.3f}; {given.seconds:g} s at {RATE} looks per second")
    print(f"in use: worst {STRETCH:g} s less {MARGIN:g}; on dev {100 * allowed:.1f} % may be refused")
    figures: dict[str, Any] = {}
    for part in parts:
        tables = {name: rates(part, rule) for name, rule in rules.items()}
        figures |= {f"{part}: {name}": table for name, table in tables.items()}
        for kind in ("", "nuaa"):
            print_table(f"{part} {kind}".strip(), tables, kind)
    print(f"\nby group on {parts[-1]}, the rule in use: genuine, and 1 s of attack")
    table = rates(parts[-1], worst_stretch)
    for name, value in table[0.0].items():
        print(f"  {name:24} {100 * value:5.1f} {100 * table[1.0].get(name, np.nan):5.1f}")
    if given.json:
        write_text(given.json, json.dumps(figures, indent=2) + "\n")


def print_table(title: str, tables: Mapping[str, Rates], kind: str) -> None:
    """Prints a line per rule: shares refused of the groups whose names begin so."""

    def of_kind(shares: Mapping[str, float]) -> dict[str, float]:
        return {name: share for name, share in shares.items() if name.startswith(kind)}

    some = next(iter(tables.values()))
    counts = [len(of_kind(some[length])) for length in (0.0, LENGTHS[0])]
    print(f"\n{title}: {counts[0]} groups, {counts[1]} with attacks; refused in %")
    print("| rule | genuine | " + " | ".join(f"{length:g} s" for length in LENGTHS) + " |")
    print("|---" * (2 + len(LENGTHS)) + "|")
    for name, table in tables.items():
        print(f"| {name} | " + " | ".join(shown(of_kind(table[length])) for length in (0.0, *LENGTHS)) + " |")


def highest(scores: Sequence[float], times: Sequence[float]) -> float:
    """Returns the highest single score."""
    return float(max(scores))


def agreeing(scores: Sequence[float], times: Sequence[float], *, stretch: float) -> float:
    """Returns the highest score that all looks of a stretch reach, or the trimmed mean if that is higher."""
    wide = max(1, min(len(scores), round(stretch * RATE)))
    lowest = np.lib.stride_tricks.sliding_window_view(np.asarray(scores), wide).min(axis=1)
    return max(trimmed_mean(scores), float(lowest.max()))


def scores_of(
    data: Path, model: Model, detector: Detector, *, blends: str | None, parts: Sequence[str]
) -> dict[str, Any]:
    """Returns the score of every picture (none where no face is found), and of FF++'s originals in time."""
    found: dict[str, Any] = {}
    for name in ("nuaa", "padmix"):
        with (data / name / "manifest.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if part_of(row) in parts]
        if blends is not None:
            found[name] = blended(data / name, rows, model, detector, species=blends)
            continue
        found[name] = [
            row | {"score": score_of(read_image(data / name / row["path"]), model, detector)} for row in rows
        ]
    found["ffpp"] = {}
    if "test" not in parts:
        return found
    for path in sorted((data / "ffpp" / "original_sequences").rglob("*.mp4")):
        looks = sampled(timing_of(path), Sampling(per_second=RATE))
        found["ffpp"][path.stem] = [score_of(image, model, detector) for _, image in iter_frames(path, looks)]
    return found


def part_of(row: Mapping[str, Any]) -> str | None:
    """Returns whether a row of NUAA or padmix is chosen on (dev) or reported (test); none of both."""
    if "split_subject_disjoint" in row:
        return {"val": "dev", "test": "test"}.get(row["split_subject_disjoint"])
    return {"train": "dev", "dev": "test"}[row["split"]]


def blended(
    root: Path, rows: Sequence[Mapping[str, Any]], model: Model, detector: Detector, *, species: str
) -> list[dict[str, Any]]:
    """Returns the scores of live pictures and of a blend of each, both after H.264; none where no face is."""
    found = []
    for row in (each for each in rows if each["label"] == "live"):
        faces = find_faces(read_image(root / row["path"]), detector)
        if not faces.faces:
            continue
        # Frames of one person and session are blended alike, as one forger's are.
        draws = np.random.default_rng([*f"{row['subject']} {row.get('session')}".encode()])
        fake = manipulate(faces.image, largest(faces.faces).box, species=species, rng=draws).fake
        for label, picture in (("live", faces.image), ("spoof", fake)):
            shown = disturb(picture, "h264", strength=CODED, rng=draws)
            found.append({**row, "label": label, "score": score_of(shown, model, detector)})
    return found


def largest(faces: Sequence[Face]) -> Face:
    """Returns the largest face."""
    return max(faces, key=lambda each: each.box[2] * each.box[3])


def score_of(image: Pixels, model: Model, detector: Detector) -> float | None:
    """Returns the score of the largest face."""
    found = find_faces(image, detector)
    if not found.faces:
        return None
    face = largest(found.faces)
    return float(model.answer(model.crops(found.image, [face.box], [face.points])).values[0])


def groups_of(
    nuaa: Sequence[Mapping[str, Any]], padmix: Sequence[Mapping[str, Any]], ffpp: Mapping[str, Sequence[Any]]
) -> tuple[dict[str, Walks], dict[str, Walks]]:
    """Returns the groups to choose on and those to report: NUAA's people, padmix's cameras, FF++'s films."""
    walks: dict[tuple[str, str], dict[str, dict[str, list[Any]]]] = defaultdict(
        lambda: {"live": defaultdict(list), "spoof": defaultdict(list)}
    )
    for row in nuaa:
        if (part := part_of(row)) and row["score"] is not None:
            walks[part, f"nuaa {row['subject']}"][row["label"]][row["session"]].append(row)
    for row in padmix:
        if row["score"] is not None:
            walks[str(part_of(row)), f"padmix {row['domain']}"][row["label"]][row["subject"]].append(row)
    found: dict[str, dict[str, Walks]] = {"dev": {}, "test": {}}
    for (part, name), labels in sorted(walks.items()):
        live, attacks = (
            [in_order(rows) for rows in labels[label].values() if len(rows) >= FEWEST]
            for label in ("live", "spoof")
        )
        if live:
            found[part][name] = Walks(live, attacks, RATE)
    for name, scores in ffpp.items():
        found["test"][f"ffpp {name}"] = Walks([[each for each in scores if each is not None]], [], 1)
    return found["dev"], found["test"]


def in_order(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Returns the scores in the order of the numbers in their files' names."""
    return [
        row["score"]
        for row in sorted(rows, key=lambda row: [int(n) for n in re.findall(r"\d+", row["path"])])
    ]


def walk(scores: Sequence[float], looks: int, each: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns `looks` scores: to and fro from a random place, every one `each` times."""
    path = [*range(len(scores)), *range(len(scores) - 2, 0, -1)]
    start, first = rng.integers(len(path)), rng.integers(each)
    return np.asarray([scores[path[(start + (look + first) // each) % len(path)]] for look in range(looks)])


def clips_of(
    groups: Mapping[str, Walks], *, looks: int, count: int
) -> dict[float, dict[str, list[NDArray[np.float64]]]]:
    """Returns the clips by length of the attack (0 for none) and group."""
    found: dict[float, dict[str, list[NDArray[np.float64]]]] = {}
    for length in (0.0, *LENGTHS):
        attacked = min(looks, round(length * RATE))
        found[length] = {}
        for name, (live, attacks, each) in groups.items():
            rng = np.random.default_rng(0)
            if length and not attacks:
                continue
            clips = []
            for _ in range(count):
                clip = walk(live[rng.integers(len(live))], looks, each, rng)
                if attacked:
                    at = rng.integers(looks - attacked + 1)
                    clip[at : at + attacked] = walk(attacks[rng.integers(len(attacks))], attacked, each, rng)
                clips.append(clip)
            found[length][name] = clips
    return found


def refused(
    clips: Mapping[float, Mapping[str, Sequence[NDArray[np.float64]]]], rule: Rule, threshold: float
) -> Rates:
    """Returns the share of clips at the threshold or over it."""
    return {
        length: {
            name: float(np.mean([rule(clip.tolist(), times(clip)) >= threshold for clip in of_group]))
            for name, of_group in groups.items()
        }
        for length, groups in clips.items()
    }


def times(clip: NDArray[np.float64]) -> list[float]:
    """Returns when the looks were taken, in seconds."""
    return [look / RATE for look in range(len(clip))]


def over(shares: Mapping[str, float]) -> float:
    """Returns the mean over groups."""
    return float(np.mean(list(shares.values())))


def shown(shares: Mapping[str, float]) -> str:
    """Returns the mean over groups in percent, with its interval."""
    values = np.asarray(list(shares.values()))
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{100 * values.mean():.0f} [{100 * low:.0f}, {100 * high:.0f}]"


if __name__ == "__main__":
    main()
