"""What models of manipulated faces separate on development faces: real composites, and blends kind by kind.

    python benchmarks/blend_kinds.py runs/a runs/b deepfake-tiny --real data/composites.parquet \
      --genuine data/celebamask.parquet --blends data/celebamask-blends.parquet --out scores/blends

One row per model, AUC on the split: of the real manipulations as they are (with the 95 % interval), with
light and tint drawn anew (neutral) and with one sharpness (matched); of each kind of blend in --blends
against the genuine faces of --genuine. `caught` is the share of the real manipulations, and `false` of the
genuine faces beside them, at the threshold that 3 % of the genuine faces of --genuine exceed, each domain
with equal weight. Scores files in --out that are there are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import numpy as np

from facetrust.evaluation.evaluate import evaluate
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import fit_threshold
from facetrust.records import Scores, Split

RULE = "bpcer@3%/domain"


def main() -> None:
    """Scores what is not scored yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--real", type=Path, required=True, help="manifest with real manipulations")
    parser.add_argument("--genuine", type=Path, nargs="+", required=True)
    parser.add_argument("--blends", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="dev", choices=get_args(Split))
    given = parser.parse_args()
    lines = [_line(model, given) for model in given.models]
    kinds = sorted({kind for line in lines for kind in line if kind.startswith("simulated-")})
    columns = ["as is", "neutral", "matched", *kinds, "caught", "false"]
    print("| | " + " | ".join(each.removeprefix("simulated-") for each in columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for model, line in zip(given.models, lines, strict=True):
        print(f"| {Path(model).name} | " + " | ".join(line.get(each, "") for each in columns) + " |")


def _line(model: str, given: argparse.Namespace) -> dict[str, str]:
    folder = given.out / Path(model).stem
    real = _scored(model, given.real, folder, given.split, controls=True)
    low, high = interval(auc, real.labels, real.scores)
    line = {"as is": f"{auc(real.labels, real.scores):.3f} [{low:.3f}, {high:.3f}]"}
    for path in sorted((folder / given.real.stem / "controls").glob(f"*-{given.split}.parquet")):
        other = Scores.read(path)
        name = next(each for each in ("neutral", "matched") if each in path.name)
        line[name] = f"{auc(other.labels, other.scores):.3f}"
    parts = [_scored(model, path, folder, given.split) for path in given.genuine]
    genuine = np.concatenate([part.scores[part.labels == 0] for part in parts])
    domains = np.concatenate([part.column("domain")[part.labels == 0] for part in parts])
    blends = [_scored(model, path, folder, given.split) for path in given.blends]
    kinds = np.concatenate([each.column("attack") for each in blends]) if blends else np.array([])
    found = np.concatenate([each.scores for each in blends]) if blends else np.array([])
    for kind in sorted({kind for kind in kinds if kind}):
        labels = np.repeat([0, 1], [len(genuine), int((kinds == kind).sum())])
        line[kind] = f"{auc(labels, np.concatenate([genuine, found[kinds == kind]])):.3f}"
    # The rule asks for one positive row at least, which has no part in it.
    fitted = fit_threshold(
        RULE, np.append(np.zeros(len(genuine)), 1), np.append(genuine, 1.0),
        manifest="--genuine", split="dev", domains=[*domains, "none"],
    )  # fmt: skip
    over = real.scores >= fitted.value
    line["caught"] = f"{over[real.labels == 1].mean():.3f}"
    line["false"] = f"{over[real.labels == 0].mean():.3f}"
    return line


def _scored(model: str, manifest: Path, folder: Path, split: Split, *, controls: bool = False) -> Scores:
    out = folder / manifest.stem
    path = out / f"scores-{split}.parquet"
    if not path.exists():
        evaluate(model, manifest, split=split, out=out, baselines=False, controls=controls)
    return Scores.read(path)


if __name__ == "__main__":
    main()
