"""Limits of quality for a model, from its errors on dev faces as they are and made worse step by step.

Of a model that gives scores, a decision about a face is wrong; of one that gives embeddings, a comparison.
"""

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
from facetrust.records import Quality, QualityLimits, Sample
from facetrust.tasks import task_named

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
_POSED = {"most_yaw": _AS_IS, **LIMITS, "most_pitch": _AS_IS}  # Of faces with points that are compared.
_MOST = 400


class _Seen(NamedTuple):
    """One face as the model saw it: how it was changed, its row, its quality, and the score or embedding."""

    way: str
    row: Sample
    quality: Quality
    answer: float | NDArray[np.float64]


class _Decision(NamedTuple):
    """What was decided by a face: which label would have been right, and the score."""

    face: _Seen
    label: int
    score: float


def fit_limits(
    model: str | Path,
    manifests: Sequence[str | Path | Manifest],
    *,
    bound: float,
    threshold: float | None = None,
    most: int | None = None,
    seed: int = 0,
) -> tuple[FittedLimit, ...]:
    """Returns the limits of quality at which a model's errors on dev faces stay at most `bound`.

    A face that becomes an embedding is compared twice: with another picture of its person, as it is, and with
    one of somebody else, drawn by the seed; of a person's pictures that which looks straightest into the
    camera is taken, as one is enrolled. Label 1 is the comparison of one person. Limits are then fitted one
    after another, each on the faces within those before; where rows have five points, `most_yaw` is the first
    and `most_pitch` the last, both on the faces as they are.

    Every dev face is judged as it is and once in each way of getting worse (smaller, blurred, darker or
    brighter, with less colour), the step drawn by the seed. A limit is fitted on the faces as they are and on
    those that got worse in its way, those of them that lie on its side of the median as they are; see
    `facetrust.protocols.fit_limit`.

    Args:
        model: an .onnx file, a bundled name or a run folder.
        bound: greatest share of wrong decisions of either label, above 0 and below 1.
        threshold: what it decides at; its card's if none is given.
        most: dev faces of each manifest, drawn by the seed; 400 if none is given, or all where faces are
            compared, as those of a person belong together.

    Raises:
        ManifestError: a manifest cannot be used, or none has dev rows with a label (with a subject, where
            faces are compared, of whom there must be several).
        ModelError: the model cannot be used, or its card has no threshold.
    """
    card, scorer = open_scorer(model)
    decided = card.threshold if threshold is None else threshold
    compares = task_named(card.task).output == "embedding"
    rows = [
        row
        for each in manifests
        for row in _dev_rows(each, most or (None if compares else _MOST), seed, compares=compares)
    ]
    if not rows:
        kind = "dev rows with a subject" if compares else "labelled dev rows"
        raise ManifestError(f"{_source(manifests[0])}: no {kind} to fit limits of quality on")
    faces = list(_seen(scorer, rows, seed))
    decisions = _compared(faces, seed) if compares else _decided(faces)
    if not decisions:
        raise ManifestError(f"{_source(manifests[0])}: no two dev people with two pictures each to compare")
    posed = compares and all(each.quality.yaw is not None for each in faces)
    found: list[FittedLimit] = []
    for limit, way in (_POSED if posed else LIMITS).items():
        found.append(_fitted(limit, way, decisions, decided, bound))
        if compares:
            decisions = [each for each in decisions if _within(found[-1], each.face)]
    errors = ("FMR", "FNMR") if compares else ("BPCER", "APCER")
    return tuple(each.model_copy(update={"errors": errors}) for each in found)


def _fitted(
    limit: str, way: str, decisions: Sequence[_Decision], decided: float, bound: float
) -> FittedLimit:
    """One limit, by the faces as they are and those that got worse in its way, on its side of the median."""
    side, measure = limit.split("_")
    mine = [each for each in decisions if each.face.way in (_AS_IS, way)]
    values = np.array([abs(getattr(each.face.quality, measure)) for each in mine], np.float64)
    middle = float(np.median(values[[each.face.way == _AS_IS for each in mine]]))
    kept = values <= middle if side == "least" else values >= middle
    labels = np.array([each.label for each in mine])
    wrong = (np.array([each.score for each in mine]) >= decided) != (labels == 1)
    domains = np.array([each.face.row.domain or "" for each in mine])
    return fit_limit(limit, values[kept], labels[kept], wrong[kept], bound=bound, domains=domains[kept])


def _within(limit: FittedLimit, face: _Seen) -> bool:
    limits = QualityLimits.model_validate({limit.limit: limit.value})
    return not limits.beyond(face.quality)


def _decided(faces: Sequence[_Seen]) -> list[_Decision]:
    return [_Decision(each, int(each.row.label or 0), float(each.answer)) for each in faces]


def _compared(faces: Sequence[_Seen], seed: int) -> list[_Decision]:
    """Every face with the straightest other picture of its person and that of somebody else."""
    people: dict[str, list[_Seen]] = {}
    for each in sorted((each for each in faces if each.way == _AS_IS), key=_turn):
        people.setdefault(str(each.row.subject), []).append(each)
    people = {name: shown for name, shown in people.items() if len(shown) > 1}
    rng, names, found = np.random.default_rng(seed), sorted(people), []
    for each in faces:
        name = str(each.row.subject)
        if name not in people or len(names) < 2:
            continue
        own = next(other for other in people[name] if other.row.path != each.row.path)
        strange = people[names[(names.index(name) + int(rng.integers(1, len(names)))) % len(names)]][0]
        found += [_Decision(each, 1, _cosine(each, own)), _Decision(each, 0, _cosine(each, strange))]
    return found


def _turn(face: _Seen) -> float:
    return abs(face.quality.yaw or 0.0)


def _cosine(one: _Seen, other: _Seen) -> float:
    first, second = np.asarray(one.answer), np.asarray(other.answer)
    return float(first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12))


def _source(manifest: str | Path | Manifest) -> str:
    return str(manifest.source if isinstance(manifest, Manifest) else manifest)


def _dev_rows(
    manifest: str | Path | Manifest, most: int | None, seed: int, *, compares: bool
) -> list[Sample]:
    whole = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
    dev = [row for row in whole.samples() if row.split == "dev"]
    rows = [row for row in dev if (row.subject if compares else row.label) is not None]
    if most is not None and len(rows) > most:
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
                yield _Seen(way, row, quality_of(image, box_of(shown, image), shown.points or ()), answer)


def _given(seen: tuple[Pixels, Sample], row: Sample) -> tuple[Pixels, Sample]:
    """A reader of what was read already."""
    return seen
