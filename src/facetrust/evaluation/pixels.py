"""The trivial baseline of embeddings: a face's whitened grey pixels, compared by their cosine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from facetrust.data.lists import read_list
from facetrust.data.manifest import Manifest, absolute
from facetrust.data.splits import people_of
from facetrust.errors import ImageError
from facetrust.evaluation.people import Embedded, pair_table
from facetrust.evaluation.scorers import Answer
from facetrust.imaging import Pixels, align_face, box_of, crop_face, read_sample
from facetrust.records import Pairs, Preprocessing, Provenance, Sample

NAME = "baseline:pixels"
SIDE = 28  # Of the grey face, in pixels.
COMPONENTS = 200
_ALIGNED = (112, 112)
_BOX = Preprocessing(margins=(1.0,), size=(SIDE, SIDE))
_MOST = 20_000  # Pictures that it is fitted on, evenly spread, of a larger set.
_log = logging.getLogger("facetrust")

Values = NDArray[np.float32]


class Whitening(NamedTuple):
    """The mean face (P,), and the directions of largest variance (P, d), each divided by its deviation."""

    mean: Values
    directions: Values

    def of(self, pixels: Values) -> Values:
        """Returns faces (N, P) as vectors (N, d), the sums of those of each face and of its mirror image.

        Over the faces fitted on, each place of a face's own vector has deviation 1.
        """
        mirrored = pixels.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(pixels.shape)
        return np.asarray((pixels + mirrored - 2 * self.mean) @ self.directions, np.float32)


def fit_whitening(pixels: Values, *, components: int = COMPONENTS) -> Whitening:
    """Returns the whitening of faces (N, P): their principal components, at most as many as there are.

    Source: Turk and Pentland, Eigenfaces for recognition (1991), with every component at one scale.
    """
    mean = pixels.mean(0)
    spread, directions = np.linalg.eigh(np.cov(pixels, rowvar=False, bias=True).astype(np.float64))
    kept = spread[::-1][:components] > spread[-1] * 1e-10
    spread, directions = spread[::-1][:components][kept], directions[:, ::-1][:, :components][:, kept]
    return Whitening(mean, np.asarray(directions / np.sqrt(spread), np.float32))


def pixel_pairs(
    learning: Manifest,
    rows: Sequence[Sample],
    located: Sequence[Sample],
    pairs: Path,
    made_by: Provenance,
    elsewhere: frozenset[str] = frozenset(),
) -> Pairs | None:
    """Returns the scores of a list of pairs by whitened pixels; None where nothing is there to fit them on.

    They are fitted on the train rows of `learning`. Where it has none and the pairs have folds, each fold's
    pairs are scored by what is fitted on the pictures of the other folds.

    Args:
        learning: manifest whose train rows are fitted on.
        rows: the split's rows, and `located` the same with absolute paths.
        pairs: the list of pairs.
        made_by: what made the model's scores.
        elsewhere: the manifest's paths of other splits.

    Raises:
        ManifestError: the list cannot be used.
    """
    source = made_by.model_copy(update={"model": NAME, "version": learning.hash, "seed": None})
    table = read_list(pairs, "pairs")
    train = [row for row in learning.samples() if row.split == "train"]
    if not train and "fold" not in table.columns:
        _log.warning("no baseline: %s has no train rows and %s no folds", learning.source, pairs)
        return None
    pixels = dict(zip((row.path for row in rows), map(_pixels, located), strict=True))
    if train:
        asked = people_of(row for row in rows if row.split == made_by.split)
        overlap = len(people_of(train) & asked)
        wanted = absolute(train, learning.root)[:: -(-len(train) // _MOST)]
        fitted = fit_whitening(_stacked(map(_pixels, wanted)))
        source = source.model_copy(update={"trained_people": overlap})
        return pair_table(_embedded(rows, pixels, fitted, elsewhere), source, pairs=pairs)
    parts = []
    for fold in table["fold"].unique().sort():
        others = table.filter(pl.col("fold") != fold)
        mine = {
            *table.filter(pl.col("fold") == fold)["first"],
            *table.filter(pl.col("fold") == fold)["second"],
        }
        names = sorted({*others["first"], *others["second"]} - mine)
        fitted = fit_whitening(_stacked(pixels[name] for name in names if name in pixels))
        scored = pair_table(_embedded(rows, pixels, fitted, elsewhere), source, pairs=pairs)
        parts.append(scored.rows.filter(pl.col("fold") == fold))
    return Pairs(pl.concat(parts), source.model_copy(update={"trained_people": 0}))


def _embedded(
    rows: Sequence[Sample],
    pixels: dict[str, Values | ImageError],
    fitted: Whitening,
    elsewhere: frozenset[str],
) -> Embedded:
    answers: list[Answer] = [
        found
        if isinstance(found := pixels[row.path], ImageError)
        else fitted.of(found[None])[0].astype(np.float64)
        for row in rows
    ]
    return Embedded.of(rows, answers, elsewhere=elsewhere)


def _stacked(faces: Iterable[Values | ImageError]) -> Values:
    return np.stack([face for face in faces if not isinstance(face, ImageError)])


def _pixels(row: Sample) -> Values | ImageError:
    """Returns a row's face (P,) as grey pixels in [0, 1]: aligned by its points, else its box."""
    try:
        image, _ = read_sample(row)
    except ImageError as error:
        return error
    return _grey(_face(image, row)).ravel()


def _face(image: Pixels, row: Sample) -> Pixels:
    if row.points is None:
        return crop_face(image, box_of(row, image), _BOX)
    aligned = align_face(image, row.points, _ALIGNED)
    return np.asarray(cv2.resize(aligned, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _grey(face: Pixels) -> Values:
    return cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
