"""What models of manipulated faces separate on development faces: real composites, and blends kind by kind.

    python benchmarks/blend_kinds.py runs/a runs/b deepfake-tiny --real data/composites.parquet \
      --genuine data/celebamask.parquet --blends data/celebamask-blends.parquet --out scores/blends

One row per model, AUC on the split: of the real manipulations as they are (with the 95 % interval), with
light and tint drawn anew (neutral) and with one sharpness (matched); of all blends in --blends, and of each
kind, against the genuine faces of --genuine. `caught` is the share of the real manipulations, and `false` of
the genuine faces beside them, at the threshold that 3 % of the genuine faces of --genuine exceed, each domain
with equal weight. Runs that differ in the number at their names' end only (`logit-0`, `logit-1`) are
seeds of one way and make one row, means and standard deviations. `loss` is how far the AUC on all blends lies
below that of the first model, with the 95 % interval of a bootstrap over photographs that draws the same for
both. Scores files in --out that are there are kept.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from facetrust.evaluation.evaluate import evaluate
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import fit_threshold
from facetrust.records import Scores, Split

Numbers = NDArray[Any]
RULE = "bpcer@3%/domain"


def main() -> None:
    """Scores what is not scored yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--real", type=Path, required=True, help="manifest with real manipulations")
    parser.add_argument("--genuine", type=Path, nargs="+", required=True)
    parser.add_argument("--blends", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="dev", choices=get_args(Split))
    given = parser.parse_args()
    rows: dict[str, list[_Found]] = {}
    for model in given.models:
        name = Path(model).stem
        rows.setdefault(re.sub(r"-\d+$", "", name) or name, []).append(_find(model, given))
    first = next(iter(rows.values()))[0]
    columns = list(first.figures)
    print("| | seeds | " + " | ".join(each.removeprefix("simulated-") for each in columns) + " | loss |")
    print("|---" * (3 + len(columns)) + "|")
    for name, found in rows.items():
        cells = [_cell([each.figures[column] for each in found]) for column in columns]
        if len(found) == 1:
            cells[0] += " [{:.3f}, {:.3f}]".format(*found[0].interval)
        print(f"| {name} | {len(found)} | " + " | ".join([*cells, _loss(first, found)]) + " |")


@dataclass(frozen=True)
class _Found:
    """A model's figures, and the genuine and blended faces' labels, photographs and scores."""

    figures: dict[str, float]
    interval: tuple[float, float]
    labels: Numbers
    photographs: list[str]
    scores: Numbers


def _find(model: str, given: argparse.Namespace) -> _Found:
    folder = given.out / Path(model).stem
    real = _scored(model, given.real, folder, given.split, controls=True)
    figures = {"as is": auc(real.labels, real.scores)}
    for path in sorted((folder / given.real.stem / "controls").glob(f"*-{given.split}.parquet")):
        other = Scores.read(path)
        figures[next(each for each in ("neutral", "matched") if each in path.name)] = auc(
            other.labels, other.scores
        )
    genuine = [_scored(model, path, folder, given.split) for path in given.genuine]
    blends = [_scored(model, path, folder, given.split) for path in given.blends]
    live = np.concatenate([part.scores[part.labels == 0] for part in genuine])
    made = np.concatenate([each.scores for each in blends])
    kinds = np.concatenate([each.column("attack") for each in blends])
    labels, scores = np.repeat([0, 1], [len(live), len(made)]), np.concatenate([live, made])
    figures["all blends"] = auc(labels, scores)
    for kind in sorted(set(kinds)):
        figures[kind] = auc(
            np.repeat([0, 1], [len(live), int((kinds == kind).sum())]),
            np.concatenate([live, made[kinds == kind]]),
        )
    domains = np.concatenate([part.column("domain")[part.labels == 0] for part in genuine])
    # The rule asks for one positive row at least, which has no part in it.
    fitted = fit_threshold(
        RULE, np.append(np.zeros(len(live)), 1), np.append(live, 1.0),
        manifest="--genuine", split="dev", domains=[*domains, "none"],
    )  # fmt: skip
    over = real.scores >= fitted.value
    figures["caught"], figures["false"] = over[real.labels == 1].mean(), over[real.labels == 0].mean()
    media = [name for part in genuine for name in part.column("media")[part.labels == 0]]
    media += [name.split("#")[0] for each in blends for name in each.column("media")]
    return _Found(figures, interval(auc, real.labels, real.scores), labels, media, scores)


def _cell(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _loss(first: _Found, found: list[_Found]) -> str:
    if found[0] is first:
        return ""

    def lost(labels: Numbers, scores: Numbers, **runs: Numbers) -> float:
        return auc(labels, scores) - float(np.mean([auc(labels, each) for each in runs.values()]))

    runs: dict[str, Any] = {f"run_{at}": each.scores for at, each in enumerate(found)}
    low, high = interval(lost, first.labels, first.scores, clusters=first.photographs, **runs)
    return f"{lost(first.labels, first.scores, **runs):.3f} [{low:.3f}, {high:.3f}]"


def _scored(model: str, manifest: Path, folder: Path, split: Split, *, controls: bool = False) -> Scores:
    out = folder / manifest.stem
    path = out / f"scores-{split}.parquet"
    if not path.exists():
        evaluate(model, manifest, split=split, out=out, baselines=False, controls=controls)
    return Scores.read(path)


if __name__ == "__main__":
    main()
