"""What an accuracy over folds owes to how each fold's threshold is chosen.

    python benchmarks/fold_thresholds.py SCORES … [--folds 3]

SCORES are `scores-test.parquet` of pairs with folds, as `facetrust evaluate` writes them. Printed are mean
and standard deviation (over K) of the accuracies of the first folds, or of all: each at the threshold that is
best on the others, of those folds alone and of all. Of equally good thresholds the lowest, the middle one (as
`facetrust report` does) or the highest is taken.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from facetrust.metrics.fold_accuracy import accuracies_by_fold
from facetrust.metrics.tpr_at_fpr import tpr_at_fpr
from facetrust.records import Pairs

TIES = {"lowest": 0, "highest": -1}


def by_fold(
    labels: NDArray[np.int64], scores: NDArray[np.float64], folds: NDArray[np.int64], tie: str
) -> NDArray[np.float64]:
    """Returns each fold's accuracy (K,) at a score of the others that is best there."""
    if tie == "middle":
        return accuracies_by_fold(labels, scores, folds=folds)
    found = []
    for fold in np.unique(folds):
        mine = folds == fold
        tried = np.unique(scores[~mine])
        same, different = (np.sort(scores[~mine & (labels == label)]) for label in (1, 0))
        right = len(same) - np.searchsorted(same, tried) + np.searchsorted(different, tried)
        threshold = tried[np.flatnonzero(right == right.max())[TIES[tie]]]
        found.append(np.mean((scores[mine] >= threshold) == labels[mine]))
    return np.array(found)


def main() -> None:
    """Prints a row per file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", nargs="+")
    parser.add_argument("--folds", type=int, help="the first so many; all without")
    given = parser.parse_args()
    columns = ("scores", "pairs", "thresholds of", "lowest", "middle", "highest", "TAR at FAR 1 %")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for path in given.scores:
        pairs = Pairs.read(path)
        if pairs.folds is None:
            parser.error(f"{path}: its pairs have no folds")
        kept = pairs.folds <= (given.folds or pairs.folds.max())
        sets = {"these folds": kept} if kept.all() else {"these folds": kept, "all folds": kept | True}
        for name, used in sets.items():
            labels, scores, folds = (each[used] for each in (pairs.labels, pairs.scores, pairs.folds))
            shown = np.isin(np.unique(folds), np.unique(pairs.folds[kept]))
            cells = []
            for tie in ("lowest", "middle", "highest"):
                found = 100 * by_fold(labels, scores, folds, tie)[shown]
                cells.append(f"{found.mean():.2f} ± {found.std():.2f}")
            tar = 100 * tpr_at_fpr(pairs.labels[kept], pairs.scores[kept], fpr=0.01)
            print(f"| {path} | {kept.sum():,} | {name} | {' | '.join(cells)} | {tar:.1f} |")


if __name__ == "__main__":
    main()
