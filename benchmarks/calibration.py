"""How far scores are from probabilities, before and after a calibration that was fitted on dev.

    python benchmarks/calibration.py --dev A-dev.parquet [--dev ...] NAME=FILE [NAME=FILE ...]

Each file is a scores file of one model (`facetrust evaluate`). The calibration is fitted on all dev files
together, each label counting one half and each domain alike. The expected calibration error (ECE, 15 bins) is
printed of dev and of every named file, each label counting one half; 95 % intervals by a bootstrap of people.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MetricError
from facetrust.metrics import interval
from facetrust.metrics.ece import ece
from facetrust.protocols import clusters_of, fit_calibration
from facetrust.records import Scores

balanced = partial(ece, balanced=True)


def main() -> None:
    """Fits on dev and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", metavar="NAME=FILE")
    parser.add_argument("--dev", action="append", required=True)
    args = parser.parse_args()
    dev = [Scores.read(path) for path in args.dev]
    labels, scores, domains, people = (np.concatenate(each) for each in zip(*map(columns, dev), strict=True))
    manifest = "+".join(each.made_by.manifest for each in dev)
    fitted = fit_calibration(labels, scores, manifest=manifest, split="dev", domains=domains)
    print(f"probability = sigmoid({fitted.slope:.3f} logit + {fitted.offset:.3f})\n")
    print("| scores | rows | ECE | calibrated |")
    print("|---|---|---|---|")
    sets = {"dev": (labels, scores, people)}
    for entry in args.files:
        name, _, path = entry.partition("=")
        marks, values, _, subjects = columns(Scores.read(path))
        sets[name] = (marks, values, subjects)
    for name, (marks, values, subjects) in sets.items():
        after = np.array([fitted.probability(value) for value in values.tolist()])
        cells = [shown(marks, each, subjects) for each in (values, after)]
        print(f"| {name} | {len(marks)} | {' | '.join(cells)} |")


def columns(
    table: Scores,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.str_], NDArray[np.str_]]:
    """Returns labels, scores, domains and whom a row is of, each (N,)."""
    people, _ = clusters_of(table)
    domains = np.array([domain or "" for domain in table.column("domain")])
    return table.labels, table.scores, domains, people.astype(str)


def shown(labels: NDArray[np.int64], scores: NDArray[np.float64], people: NDArray[np.str_]) -> str:
    """Returns the error with its interval."""
    value = balanced(labels, scores)
    try:
        low, high = interval(balanced, labels, scores, clusters=people, seed=0, rounds=1000)
    except MetricError:
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
