"""Attacks by the words of their names: `mid:eyes+nose` counts among `mid`, `eyes` and `nose`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from facetrust.errors import MetricError
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import clusters_of
from facetrust.records import Record, Scores

_BETWEEN = re.compile(r"[:+]")


class Group(Record):
    """A model's AUC on the attacks whose names hold a word, against all bona fide, with its 95 % interval."""

    model: str
    word: str
    rows: int
    auc: float
    low: float | None = None
    high: float | None = None


def words_of(attack: str | None) -> tuple[str, ...]:
    """Returns the words of an attack's name, which `:` and `+` stand between; none of a single word."""
    words = [word for word in _BETWEEN.split(attack or "") if word]
    return tuple(dict.fromkeys(words)) if len(words) > 1 else ()


def grouped(tests: Mapping[str, Scores], *, seed: int = 0, rounds: int = 1000) -> list[Group]:
    """Returns each model's figures by word, the words sorted; nothing where no name has several.

    An attack with several words counts in several groups, so that groups are no parts of a whole. A name
    of one word counts where others have that word.

    Args:
        tests: the scores by the models' names.
        seed: of the bootstrap over the rows' clusters (`clusters_of`), with `rounds` draws.

    Raises:
        MetricError: there are no bona fide rows, or scores are NaN.
    """
    return [
        _group(name, word, scores, seed, rounds) for name, scores in tests.items() for word in _words(scores)
    ]


def _words(scores: Scores) -> list[str]:
    names = scores.column("attack")[scores.labels == 1]
    return sorted({word for name in names for word in words_of(name)})


def _group(model: str, word: str, scores: Scores, seed: int, rounds: int) -> Group:
    labels, values, clusters = scores.labels, scores.scores, clusters_of(scores)[0]
    held = [word == name or word in words_of(name) for name in scores.column("attack")]
    rows = (labels == 0) | ((labels == 1) & np.array(held, dtype=bool))
    labels, values, clusters = labels[rows], values[rows], clusters[rows]
    found = Group(model=model, word=word, rows=int(labels.sum()), auc=auc(labels, values))
    try:
        low, high = interval(auc, labels, values, clusters=clusters, seed=seed, rounds=rounds)
    except MetricError:  # Too few clusters to draw from.
        return found
    return found.model_copy(update={"low": low, "high": high})
