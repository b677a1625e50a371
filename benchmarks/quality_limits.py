"""How many faces of each set a model's card leaves unjudged, measure by measure, and where its errors grow.

    python benchmarks/quality_limits.py NAME=SET [NAME=SET ...] [--model antispoof-tiny]
    python benchmarks/quality_limits.py --data M.parquet [--data ...] [--risk 0.1] [--model antispoof-tiny]

The second form prints the risk-coverage curve of each measure on dev faces of manifests, as they are and
made worse: BPCER and APCER (FMR and FNMR where faces are compared) of the best 100 to 50 per cent of the
faces, and the limit at which errors stay below the risk, as `facetrust export --risk` fits it.

A set is `SOURCE:FOLDER` (a data set in its official layout; its genuine train and dev rows),
`FILE.csv?column=value,value&column=value` (rows of a CSV with a column `path`), or a folder of pictures and
videos. Limits are chosen on genuine faces of train and dev so that few of them are refused; sets of attacks
show what else is refused. The largest likely face of a picture counts, and 30 frames of a video.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from facetrust import registry
from facetrust.cli.output import print_limits
from facetrust.evaluation.quality_limits import fit_limits
from facetrust.faces.detector import find_faces, open_detector
from facetrust.imaging import Pixels, read_image
from facetrust.imaging.inputs import inputs_in, is_video
from facetrust.imaging.quality import quality_of
from facetrust.imaging.video import frame_count, iter_frames
from facetrust.records import Quality, QualityLimits
from facetrust.runtime.model import load_model

FRAMES, MOST = 30, 400


def paths_of(spec: str) -> list[Path]:
    """Returns the pictures and videos of a set."""
    if Path(spec).is_dir():
        return [Path(each) for each in inputs_in([spec]).sources]
    if ".csv" in spec:
        file, _, filters = spec.partition("?")
        wanted = [pair.partition("=") for pair in filters.split("&") if pair]
        with Path(file).open() as rows:
            kept = [
                row["path"]
                for row in csv.DictReader(rows)
                if all(row[column] in values.split(",") for column, _, values in wanted)
            ]
        return [Path(file).parent / path for path in kept]
    source, _, root = spec.partition(":")
    samples = registry.build("data.sources", source, Path(root))
    kept = [sample for sample in samples if sample.split in ("train", "dev") and sample.label == 0]
    return [Path(root) / sample.path for sample in kept]


def pictures_of(paths: Iterable[Path]) -> Iterator[Pixels]:
    """Yields every picture, and evenly spaced frames of every video."""
    for path in paths:
        if is_video(path):
            count = frame_count(path)
            for _, image in iter_frames(path, np.linspace(0, count - 1, FRAMES).astype(int).tolist()):
                yield image
        else:
            yield read_image(path)


def qualities(paths: Iterable[Path]) -> list[Quality]:
    """Returns the quality of the largest face of each picture; a picture without one has none."""
    detector = open_detector()
    found = (find_faces(image, detector) for image in pictures_of(paths))
    return [quality_of(each.image, each.faces[0].box, each.faces[0].points) for each in found if each.faces]


def refused(limits: QualityLimits, found: list[Quality]) -> dict[str, float]:
    """Returns limit → share of the faces beyond it, and `any`."""
    beyond = [limits.beyond(quality) for quality in found]
    names = [name for name, value in limits if value is not None]
    shares = {name: float(np.mean([name in each for each in beyond])) for name in names}
    return {**shares, "any": float(np.mean([bool(each) for each in beyond]))}


def main() -> None:
    """Measures every set once and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="NAME=SET")
    parser.add_argument("--data", action="append", default=[], help="manifest whose dev faces are judged")
    parser.add_argument("--risk", type=float, default=0.1)
    parser.add_argument("--model", default="antispoof-tiny")
    parser.add_argument(
        "--most", type=int, help="pictures of a set, drawn under a fixed seed; 400, or all that are compared"
    )
    args = parser.parse_args()
    if args.data:
        print_limits(fit_limits(args.model, args.data, bound=args.risk, most=args.most))
        return
    limits = load_model(args.model).card.limits
    if limits is None:
        parser.error(f"{args.model}: its card has no limits")
    table = {}
    for entry in args.sets:
        name, _, spec = entry.partition("=")
        paths = paths_of(spec)
        drawn = np.random.default_rng(0).permutation(len(paths))[: args.most or MOST]
        found = qualities(paths[index] for index in sorted(drawn))
        table[f"{name} ({len(found)})"] = refused(limits, found)
    print(f"{args.model}: per cent of faces refused\n")
    print(f"| limit | value | {' | '.join(table)} |")
    print("|---|---|" + "---|" * len(table))
    values = {name: f"{value:g}" for name, value in limits if value is not None}
    for name in [*values, "any"]:
        shares = " | ".join(f"{100 * column[name]:.1f}" for column in table.values())
        print(f"| `{name}` | {values.get(name, '')} | {shares} |")


if __name__ == "__main__":
    main()
