"""How well something that should not tell the label does tell it, on people it was not learned from."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrust.data.audit.probes import Values, separation
from facetrust.metrics import fit_logistic
from facetrust.records import Sample

Labels = NDArray[np.int64]

FOLDS = 5


def folds_of(samples: Sequence[Sample]) -> Labels:
    """Returns (N,) fold numbers by a checksum of the subject, media or path: one person, one fold."""
    names = (sample.subject or sample.media or sample.path for sample in samples)
    return np.array([zlib.crc32(name.casefold().encode()) % FOLDS for name in names], dtype=np.int64)


def category_separation(labels: Labels, values: Sequence[str], folds: Labels) -> float:
    """Returns the AUC at which a category, such as a file type, tells the label.

    A row is scored by how much more often its category goes with attacks than with bona fide
    pictures in the other folds; a category not seen there says nothing. NaN with one label only.
    """
    place: Labels = np.unique(np.array(values), return_inverse=True)[1].ravel()
    kinds = int(place.max(initial=0)) + 1
    score = np.zeros(labels.size)
    for fold in np.unique(folds):
        rest = folds != fold
        counts = [np.bincount(place[rest & (labels == label)], minlength=kinds) for label in (0, 1)]
        chance = [(count + 0.5) / (count.sum() + 1.0) for count in counts]
        ratio = np.where(counts[0] + counts[1] > 0, np.log(chance[1] / chance[0]), 0.0)
        score[folds == fold] = ratio[place[folds == fold]]
    return separation(labels, score)


def number_separation(labels: Labels, values: Values) -> float:
    """Returns the AUC at which a number tells the label, in whichever direction; NaN with one label."""
    auc = separation(labels, values)
    return max(auc, 1 - auc)


def probe_separation(labels: Labels, features: Values, folds: Labels, trained: NDArray[np.bool_]) -> float:
    """Returns the AUC of a logistic regression on rows that it was not fitted on.

    It is fitted on the `trained` rows and judged on the others where both parts have both labels;
    else on the other folds, one fold after the other. NaN where that cannot be done either.

    Args:
        labels: (N,) 0 or 1.
        features: (N, d).
        folds: (N,) of `folds_of`.
        trained: (N,) whether a row is in the split train.
    """
    if _both(labels[trained]) and _both(labels[~trained]):
        fitted = fit_logistic(features[trained], labels[trained])
        return separation(labels[~trained], fitted.score(features[~trained]))
    score = np.zeros(labels.size)
    for fold in np.unique(folds):
        rest = folds != fold
        if not _both(labels[rest]):
            return float("nan")
        score[~rest] = fit_logistic(features[rest], labels[rest]).score(features[~rest])
    return separation(labels, score)


def surely_above_chance(auc: float, labels: Labels) -> bool:
    """Whether an AUC lies more than three standard errors above one half; NaN does not."""
    positive = int(labels.sum())
    negative = labels.size - positive
    if not positive or not negative:
        return False
    return auc - 0.5 > 3 * float(np.sqrt((labels.size + 1) / (12 * positive * negative)))


def counted(labels: Labels, values: Sequence[str]) -> list[str]:
    """Returns `value: n bona fide, m attack`, the values that lean most to one side first."""
    counts: dict[str, Counter[int]] = {}
    for value, label in zip(values, labels.tolist(), strict=True):
        counts.setdefault(value, Counter())[label] += 1
    order = sorted(counts, key=lambda value: (-abs(counts[value][1] - counts[value][0]), value))
    return [f"{value}: {counts[value][0]} bona fide, {counts[value][1]} attack" for value in order]


def _both(labels: Labels) -> bool:
    return np.unique(labels).size == 2
