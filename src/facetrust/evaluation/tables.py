"""Answers become the rows that a protocol judges: scores of faces, or confusions of classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facetrust.data.classes import IGNORED, Merge
from facetrust.data.manifest import Manifest, absolute
from facetrust.data.targets import Masks
from facetrust.errors import ImageError, ManifestError, MetricError
from facetrust.evaluation.scorers import Answer, Reader
from facetrust.imaging import Pixels, box_of, crops_of, read_image
from facetrust.metrics.boundary_f1 import boundary_f1
from facetrust.records import Confusions, ModelCard, Preprocessing, Provenance, Sample, Scores

_TEXTS = ("sample", "media", "subject", "domain", "attack")


def score_table(rows: Sequence[Sample], answers: Sequence[Answer], made_by: Provenance) -> Scores:
    """Returns one row per face or picture that has a score.

    Raises:
        ManifestError: none has one, or a row has no label.
    """
    scored = []
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, ImageError):
            continue
        if row.label is None:
            raise ManifestError(f"{row.path}: has no label, by which its score could be measured")
        facts = {name: getattr(row, name) for name in (*_TEXTS[1:], "label")}
        scored.append({"sample": row.path, "score": answer, **facts})
    _require(scored, rows)
    return Scores(pl.DataFrame(scored, schema=_schema(Scores.kinds)), made_by)


def class_table(
    rows: Sequence[Sample],
    located: Sequence[Sample],
    answers: Sequence[Answer],
    made_by: Provenance,
    *,
    preprocessing: Preprocessing,
    read: Reader,
) -> Confusions:
    """Returns how many pixels of each picture's crop have which class, by its mask and by the network.

    The mask is cut as the picture was, so that both are compared at the size of the network's answer. Pixels
    that the mask ignores are not counted, and what is answered there makes no boundary of its own.

    Args:
        located: the same rows with absolute paths.
        read: how a row becomes a picture, and the row as it is in it.

    Raises:
        ManifestError: no picture has an answer and a mask.
    """
    masks, count = Masks(made_by.classes, made_by.merged), len(made_by.classes)
    nearest = preprocessing.model_copy(update={"resize": "nearest"})
    cells = []
    for row, place, answer in zip(rows, located, answers, strict=True):
        if isinstance(answer, ImageError):
            continue
        image, shown = read(place)
        mask = masks.read(place, image.shape)
        truth = crops_of(mask, box_of(shown, image), nearest, points=shown.points)[0].reshape(nearest.size)
        guess = np.where(truth == IGNORED, truth, np.asarray(answer).argmax(0).astype(np.uint8))
        facts = {"sample": row.path, "subject": row.subject, "domain": row.domain}
        cells += [{**facts, **cell} for cell in _cells(truth, guess, count)]
    _require(cells, rows)
    return Confusions(pl.DataFrame(cells, schema=_schema(Confusions.kinds)), made_by)


def commonest_classes(
    manifest: Manifest, card: ModelCard, merge: Merge | None = None
) -> NDArray[np.float64] | None:
    """Returns how often each class lies at each place of the crop (C, h, w), in the manifest's train rows.

    As an answer about any face it is the trivial baseline: the parts where they usually are. None where there
    are no train rows.

    Raises:
        ImageError: a picture or mask cannot be read.
    """
    train = [row for row in manifest.samples() if row.split == "train"]
    if not train:
        return None
    masks, nearest = Masks(card.classes, merge), card.preprocessing.model_copy(update={"resize": "nearest"})
    counts = np.zeros((len(card.classes), *nearest.size))
    rows, columns = np.indices(nearest.size)
    for row in absolute(train, manifest.root):
        image = read_image(row.path)
        mask = masks.read(row, image.shape)
        truth = crops_of(mask, box_of(row, image), nearest, points=row.points)[0].reshape(nearest.size)
        seen = truth != IGNORED
        counts[truth[seen], rows[seen], columns[seen]] += 1
    return np.asarray(counts / np.maximum(counts.sum(0), 1))


def _cells(truth: Pixels, guess: Pixels, count: int) -> Iterator[dict[str, float | None]]:
    """Yields the cells of a picture's confusions, with the boundary's F1 of a class where it meets itself."""
    seen = truth != IGNORED
    matrix = np.bincount(truth[seen].astype(np.int64) * count + guess[seen], minlength=count**2)
    for number, pixels in enumerate(matrix):
        true, said = divmod(number, count)
        boundary = _boundary(truth, guess, true) if true == said else None
        if pixels or boundary is not None:
            yield {"truth": true, "answer": said, "pixels": int(pixels), "boundary": boundary}


def _boundary(truth: Pixels, guess: Pixels, index: int) -> float | None:
    try:
        return boundary_f1(truth, guess, index=index)
    except MetricError:
        return None


def _schema(kinds: dict[str, str]) -> dict[str, Any]:
    return {name: getattr(pl, kind) for name, kind in kinds.items()}


def _require(made: Sequence[object], rows: Sequence[Sample]) -> None:
    if not made:
        raise ManifestError(f"{rows[0].path}: and all other pictures of the split cannot be read")
