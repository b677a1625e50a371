"""Limits of quality for a model, from its errors on dev faces as they are and made worse step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.harmless import Changed
from facetrust.data.manifest import Manifest, absolute
from facetrust.errors import ImageError, ManifestError
from facetrust.evaluation.scorers import Reader, Scorer, open_scorer
from facetrust.imaging import Pixels, box_of, read_sample
from facetrust.imaging.quality import quality_of
from facetrust.protocols import FittedLimit, fit_limit
from facetrust.records import Quality, Sample

# What makes a face worse in one way, in steps: changes of `facetrust.data.augment.harmless`.
_WORSE: dict[str, tuple[tuple[str, float], ...]] = {
    "size": tuple(("face-size", side) for side in (24, 32, 40, 48, 56, 64, 80, 96)),
    "sharpness": tuple(("face-blur", share) for share in (0.5, 1, 1.5, 2, 3, 4)),
    "light": tuple(("brightness", factor) for factor in (0.1, 0.15, 0.25, 0.4, 0.6, 1.4, 1.8, 2.4, 3.2)),
    "colour": tuple(("saturation", factor) for factor in (0, 0.15, 0.3, 0.5, 0.7)),
}
# The limits that errors can tell, and which way of getting worse tells them. The others of `QualityLimits`
# keep out what is no photograph, and of that dev has nothing.
LIMITS = {
    "least_size": "size",
    "least_sharpness": "sharpness",
    "least_luminance": "light",
    "most_luminance": "light",
    "most_dark": "light",
    "most_bright": "light",
    "least_chroma": "colour",
}
_AS_IS = "as is"


class _Seen(NamedTuple):
    """One face as the model saw it: how it was changed, its row, its quality and its score."""

    way: str
    row: Sample
    quality: Quality
    score: float


def fit_limits(
    model: str | Path,
    manifests: Sequence[str | Path | Manifest],
    *,
    bound: float,
    threshold: float | None = None,
    most: int = 400,
    seed: int = 0,
) -> tuple[FittedLimit, ...]:
    """Returns the limits of quality at which a model's errors on dev faces stay at most `bound`.

    Every dev face is judged as it is and once in each way of getting worse (smaller, blurred, darker or
    brighter, with less colour), the step drawn by the seed. A limit is fitted on the faces as they are and on
    those that got worse in its way, those of them that lie on its side of the median as they are; see
    `facetrust.protocols.fit_limit`.

    Args:
        model: an .onnx file, a bundled name or a run folder.
        bound: greatest share of wrong decisions of either label, above 0 and below 1.
        threshold: what it decides at; its card's if none is given.
        most: dev faces of each manifest, drawn by the seed.

    Raises:
        ManifestError: a manifest cannot be used, or none has labelled dev rows.
        ModelError: the model cannot be used, or its card has no threshold.
    """
    card, scorer = open_scorer(model)
    decided = card.threshold if threshold is None else threshold
    rows = [row for each in manifests for row in _dev_rows(each, most, seed)]
    if not rows:
        raise ManifestError(f"{manifests[0]}: no labelled dev rows to fit limits of quality on")
    faces = list(_seen(scorer, rows, seed))
    usual = [each.quality.model_dump() for each in faces if each.way == _AS_IS]
    found = []
    for limit, way in LIMITS.items():
        side, measure = limit.split("_")
        middle = float(np.median([each[measure] for each in usual]))
        mine = [each for each in faces if each.way in (_AS_IS, way)]
        values = _values(mine, measure)
        kept = values <= middle if side == "least" else values >= middle
        labels = np.array([each.row.label for each in mine])
        wrong = (np.array([each.score for each in mine]) >= decided) != (labels == 1)
        domains = np.array([each.row.domain or "" for each in mine])
        found.append(
            fit_limit(limit, values[kept], labels[kept], wrong[kept], bound=bound, domains=domains[kept])
        )
    return tuple(found)


def _dev_rows(manifest: str | Path | Manifest, most: int, seed: int) -> list[Sample]:
    whole = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
    rows = [row for row in whole.samples() if row.split == "dev" and row.label is not None]
    if len(rows) > most:
        kept = np.random.default_rng(seed).choice(len(rows), most, replace=False)
        rows = [rows[place] for place in sorted(kept.tolist())]
    return absolute(rows, whole.root)


def _seen(scorer: Scorer, rows: Sequence[Sample], seed: int) -> Iterator[_Seen]:
    rng = np.random.default_rng(seed)
    for row in rows:
        readers: dict[str, Reader] = {_AS_IS: read_sample}
        for way, steps in _WORSE.items():
            readers[way] = Changed(*steps[int(rng.integers(len(steps)))])
        for way, read in readers.items():
            try:
                image, shown = read(row)
            except ImageError:
                break
            (answer,) = scorer([row], partial(_given, (image, shown)))
            if not isinstance(answer, ImageError):
                yield _Seen(way, row, quality_of(image, box_of(shown, image)), float(answer))


def _given(seen: tuple[Pixels, Sample], row: Sample) -> tuple[Pixels, Sample]:
    """A reader of what was read already."""
    return seen


def _values(faces: Sequence[_Seen], measure: str) -> NDArray[np.float64]:
    return np.array([getattr(each.quality, measure) for each in faces], dtype=np.float64)
