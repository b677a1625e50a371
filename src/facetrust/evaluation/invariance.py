"""What must not change the answer: false alarms on genuine faces under harmless changes, and AUC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facetrust.data.augment.harmless import CONTROLS, HARMLESS, Changed
from facetrust.errors import ImageError, ManifestError, ScoresError, UsageError
from facetrust.evaluation.robustness import model_of
from facetrust.evaluation.scorers import Reader, Scorer, open_scorer
from facetrust.imaging import box_of, read_sample
from facetrust.imaging.quality import quality_of
from facetrust.metrics.auc import auc
from facetrust.records import Disturbance, ModelCard, Quality, QualityLimits, Record, Sample, Scores, Split

if TYPE_CHECKING:
    from facetrust.data.manifest import Manifest

AS_IS = "as is"
_ROUNDS = 1000
_TITLES = {Disturbance(kind=each.kind, strength=each.strength): each.title for each in HARMLESS} | {
    Disturbance(kind=name, strength=1): name for name in CONTROLS
}


class Passed(Record):
    """Attacks called negative at the threshold, a share in [0, 1] of all of them; interval as in `Held`.

    not_judged: attacks beyond the limits of its card, which are neither found nor pass.
    """

    attacks: int
    passed: float
    low: float
    high: float
    not_judged: float


class Held(Record):
    """How a model holds under one change; rates are shares in [0, 1].

    false_alarms: genuine faces called positive at the model's threshold, of all genuine faces, with the 95 %
    interval of a bootstrap over subjects. not_judged: genuine faces beyond the limits of its card. median: of
    the genuine faces' scores. auc: with the same change on both labels; none where there is one label.
    attacks: how the attacks fared under the change, where they were tried.
    """

    model: str
    change: str
    faces: int
    false_alarms: float
    low: float
    high: float
    median: float
    not_judged: float = 0.0
    auc: float | None = None
    attacks: Passed | None = None


def held_in(
    tests: Mapping[str, Scores], thresholds: Mapping[str, float], changed: Iterable[str | Path]
) -> list[Held]:
    """Returns how each reported model holds under each change that there are scores of, `as is` first.

    Args:
        tests: the reported scores of the pictures as they are, by the models' names.
        thresholds: the models' thresholds, fitted on dev.
        changed: scores files of the same rows, written by `evaluate --invariance` and `--controls`.

    Raises:
        ScoresError: a file cannot be read, holds no such change, belongs to no model, or comes twice.
    """
    found: dict[tuple[str, str], Scores] = {(name, AS_IS): scores for name, scores in tests.items()}
    for path in map(Path, changed):
        scores = Scores.read(path)
        step = scores.made_by.disturbance
        if step is None or step not in _TITLES:
            raise ScoresError(f"{path}: is of no harmless change; write it with: evaluate --invariance")
        key = model_of(path, scores, tests), _TITLES[step]
        if key in found:
            raise ScoresError(f"{path}: the scores of {key[0]} under {key[1]} come twice; give one")
        found[key] = scores
    if len(found) == len(tests):
        return []
    order = [AS_IS, *_TITLES.values()]
    return [
        _held(name, change, found[name, change], thresholds[name])
        for name in tests
        for change in order
        if (name, change) in found and name in thresholds
    ]


def _held(name: str, change: str, scores: Scores, threshold: float) -> Held:
    genuine = scores.labels == 0
    alarms = (scores.scores >= threshold)[genuine]
    names = zip(scores.column("subject"), scores.column("sample"), strict=True)
    people = [subject or sample for subject, sample in names]
    low, high = _interval(alarms, np.array(people, dtype=object)[genuine])
    both = len(set(scores.labels.tolist())) == 2
    return Held(
        model=name,
        change=change,
        faces=int(genuine.sum()),
        false_alarms=float(alarms.mean()),
        low=low,
        high=high,
        median=float(np.median(scores.scores[genuine])),
        auc=auc(scores.labels, scores.scores) if both else None,
    )


def battery(
    models: Sequence[str | Path],
    manifests: Sequence[str | Path],
    *,
    most: int = 300,
    seed: int = 0,
    split: Split | None = None,
    attacks: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Held]:
    """Returns how models hold on the genuine faces of manifests under every harmless change, model by model.

    Faces that a model was not trained on: rows of `split`, or all that are not in the train split, at most
    `most` a manifest, drawn by the seed. A face beyond the limits of a model's card is not judged, no
    false alarm, and no attack that passes.

    Args:
        models: bundled names, `.onnx` files or run folders; their cards' thresholds decide.
        attacks: try as many attacks of each manifest too, for what hides them.
        progress: called with (readings done, readings in all).

    Raises:
        ManifestError: a manifest cannot be used, or none has such genuine faces.
        ModelError: a model cannot be used, or its card has no threshold.
        UsageError: the split is train.
    """
    if split == "train":
        raise UsageError("split train: a model is tried on faces that it did not learn from; use dev or test")
    from facetrust.data.manifest import Manifest  # A report does without polars' manifests.

    read = (Manifest.read(manifest) for manifest in manifests)
    labels = (0, 1) if attacks else (0,)
    rows = [
        row for manifest in read for of in labels for row in drawn(manifest, of, most, seed=seed, split=split)
    ]
    for label in labels:
        if not any(bool(row.label) == bool(label) for row in rows):
            where = f"in the {split} split" if split else "outside the train split"
            raise ManifestError(f"{manifests[0]}: no {'attacks' if label else 'genuine faces'} {where}")
    opened = [open_scorer(model) for model in models]
    thresholds = [card.threshold for card, _ in opened]
    found: list[list[Held]] = [[] for _ in models]
    for change, judged, scores in under_changes(opened, rows, progress=progress):
        for place, (card, _) in enumerate(opened):
            found[place].append(_counted(card, change, rows, scores[place], thresholds[place], judged[place]))
    return [each for group in found for each in group]


def under_changes(
    opened: Sequence[tuple[ModelCard, Scorer]],
    rows: Sequence[Sample],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[str, list[NDArray[np.bool_]], list[NDArray[np.float64]]]]:
    """Yields each harmless change, `as is` first, and of each model which rows its limits leave, and scores.

    A picture that cannot be read is not judged, and its score is not a number.
    """
    readers: dict[str, Reader] = {AS_IS: read_sample}
    readers |= {each.title: Changed(each.kind, each.strength) for each in HARMLESS}
    done, total = 0, len(readers) * len(opened)
    for change, read in readers.items():
        qualities = list(qualities_of(rows, read))
        judged, scores = [], []
        for card, scorer in opened:
            answers = scorer(list(rows), read)
            scores.append(
                np.array([np.nan if isinstance(each, ImageError) else float(each) for each in answers])
            )
            limits = card.limits or QualityLimits()
            judged.append(
                np.array([each is not None and limits.reason(each) is None for each in qualities], dtype=bool)
            )
            done += 1
            if progress is not None:
                progress(done, total)
        yield change, judged, scores


def drawn(
    manifest: Manifest, label: int, most: int, *, seed: int = 0, split: Split | None = None
) -> list[Sample]:
    """Returns rows of a label (0: genuine), of a split or of all but train: at most `most`, by the seed."""
    from facetrust.data.manifest import absolute

    wanted = [row for row in manifest.samples() if row.split == split or (not split and row.split != "train")]
    rows = [row for row in wanted if bool(row.label) == bool(label)]
    if len(rows) > most:
        kept = np.random.default_rng(seed).choice(len(rows), most, replace=False)
        rows = [rows[place] for place in sorted(kept.tolist())]
    return absolute(rows, manifest.root)


def qualities_of(rows: Iterable[Sample], read: Reader) -> Iterator[Quality | None]:
    """Yields how well each row's face is taken; none where its picture cannot be read."""
    for row in rows:
        try:
            image, shown = read(row)
        except ImageError:
            yield None
        else:
            yield quality_of(image, box_of(shown, image), shown.points or ())


def _counted(
    card: ModelCard,
    change: str,
    rows: Sequence[Sample],
    scores: NDArray[np.float64],
    threshold: float,
    judged: NDArray[np.bool_],
) -> Held:
    people = np.array([row.subject or row.path for row in rows], dtype=object)
    positive = np.array([bool(row.label) for row in rows])
    alarms = (judged & (scores >= threshold))[~positive]
    low, high = _interval(alarms, people[~positive])
    held = Held(
        model=card.name,
        change=change,
        faces=len(alarms),
        false_alarms=float(alarms.mean()),
        low=low,
        high=high,
        median=float(np.nanmedian(scores[~positive])),
        not_judged=float(1 - judged[~positive].mean()),
    )
    if not positive.any():
        return held
    passed, scored = (judged & (scores < threshold))[positive], ~np.isnan(scores)
    low, high = _interval(passed, people[positive])
    attacks = Passed(
        attacks=len(passed),
        passed=float(passed.mean()),
        low=low,
        high=high,
        not_judged=float(1 - judged[positive].mean()),
    )
    ranked = auc(positive[scored].astype(int), scores[scored])
    return held.model_copy(update={"attacks": attacks, "auc": ranked})


def _interval(hits: NDArray[np.bool_], people: NDArray[np.object_]) -> tuple[float, float]:
    """The 95 % interval of a rate when people, not faces, are drawn with replacement."""
    names, place = np.unique(people.astype(str), return_inverse=True)
    count = np.bincount(place).astype(float)
    found = np.bincount(place, weights=hits.astype(float))
    drawn = np.random.default_rng(0).integers(len(names), size=(_ROUNDS, len(names)))
    rates = found[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)
