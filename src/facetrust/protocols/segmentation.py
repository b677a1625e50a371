"""Class masks as the field measures them: one confusion matrix of all pictures, foreground classes alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MetricError
from facetrust.metrics import interval_of_counts
from facetrust.metrics.boundary_f1 import TOLERANCE
from facetrust.metrics.class_f1 import class_f1
from facetrust.metrics.mean_f1 import mean_f1
from facetrust.metrics.mean_iou import mean_iou
from facetrust.protocols._judgement import Column, Figure, Judgement, Level
from facetrust.protocols._segments import panoptic_quality, segment_sums
from facetrust.records import Confusions

_NEAR = f"where {TOLERANCE:.2%} of the picture's diagonal is near enough"
_FEW = 10  # Pictures with a class, under which its figure says little.


def segmentation(test: Confusions, *, seed: int = 0, rounds: int = 1000) -> Judgement:
    """Returns mean F1, mean IoU, panoptic quality, boundary F1, and F1 and boundary F1 per class.

    95 % intervals are by picture: pictures are drawn with replacement, and their counts added up. No
    threshold is fitted, so there is no dev. A class that occurs neither in the masks nor in the answers has
    no figure and is left out of the means, in a draw as well. Boundary F1 is a mean over pictures, of each
    picture's mean over the classes that have a boundary there, or of one class.

    Raises:
        MetricError: no picture, or no foreground at all.
    """
    names, counts = test.counts()
    if not names:
        raise MetricError("there are no rows to measure")
    classes = test.made_by.classes
    figures = [
        _figure("mean-f1", mean_f1, counts, seed, rounds),
        _figure("mean-iou", mean_iou, counts, seed, rounds),
    ]
    figures.append(_figure("panoptic-quality", panoptic_quality, segment_sums(counts), seed, rounds))
    edges = _boundary_sums(test.boundaries()[:, 1:])
    pictures = edges.sum(1, keepdims=True)
    pictures[..., 0] /= np.maximum(pictures[..., 1], 1)
    pictures[..., 1] = pictures[..., 1] > 0
    figures.append(_figure("boundary-f1", _mean_value, pictures, seed, rounds))
    for index, name in enumerate(classes[1:], start=1):
        figures.append(_figure(f"f1:{name}", partial(class_f1, index=index), counts, seed, rounds))
    for index, name in enumerate(classes[1:]):
        one = edges[:, index : index + 1]
        figures.append(_figure(f"boundary-f1:{name}", _mean_value, one, seed, rounds))
    level = Level(
        unit="row", count=len(names), clusters=len(names), clustered_by="sample", figures=tuple(figures)
    )
    return Judgement(
        protocol="segmentation",
        made_by=test.made_by,
        seed=seed,
        rounds=rounds,
        levels=(level,),
        columns=tuple(_columns(classes)),
        notes=tuple(_notes(test, counts)),
    )


def _boundary_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns (N, C, 2) of values (N, C): the value, and whether there is one."""
    return np.stack([np.nan_to_num(values), ~np.isnan(values)], axis=2)


def _mean_value(sums: NDArray[np.float64]) -> float:
    value, count = sums.sum(0)
    if not count:
        raise MetricError("no class but the first has a boundary; there is nothing to measure")
    return float(value / count)


def _figure(name: str, metric: Callable[..., float], counts: NDArray[Any], seed: int, rounds: int) -> Figure:
    try:
        value = metric(counts.sum(0))
    except MetricError:
        if name.startswith("mean"):
            raise
        return Figure(metric=name, value=None)
    try:
        low, high = interval_of_counts(metric, counts, seed=seed, rounds=rounds)
    except MetricError:
        return Figure(metric=name, value=value)
    return Figure(metric=name, value=value, low=low, high=high)


def _columns(classes: tuple[str, ...]) -> list[Column]:
    count = f"over {len(classes) - 1} foreground classes, all pixels of all pictures counted together"
    return [
        Column(metric="mean-f1", title="mean F1", higher_is_better=True, meaning=f"Mean F1 {count}."),
        Column(
            metric="mean-iou",
            title="mean IoU",
            higher_is_better=True,
            meaning=f"Mean intersection over union {count}.",
        ),
        Column(
            metric="panoptic-quality",
            title="PQ",
            higher_is_better=True,
            meaning="Panoptic quality; the pixels of a class in a picture are one segment.",
        ),
        Column(
            metric="boundary-f1",
            title="boundary F1",
            higher_is_better=True,
            meaning=f"F1 of the classes' boundaries, {_NEAR}; a mean of pictures, not of pixels.",
        ),
        *(
            Column(
                metric=f"f1:{name}",
                title=name,
                higher_is_better=True,
                meaning=f"F1 of the pixels of {name}: twice the hits over the true and the answered pixels.",
            )
            for name in classes[1:]
        ),
        *(
            Column(
                metric=f"boundary-f1:{name}",
                title=f"{name}: boundary",
                higher_is_better=True,
                meaning=f"F1 of the boundary of {name}, {_NEAR}, in the pictures that have one.",
            )
            for name in classes[1:]
        ),
    ]


def _notes(test: Confusions, counts: NDArray[np.int64]) -> list[str]:
    classes, size = test.made_by.classes, test.made_by.size
    at = f"{size[0]}x{size[1]} pixels, the size of the network's answer" if size else "an unstated size"
    pictures = (counts.sum(2) > 0).sum(0)  # In how many pictures each class truly occurs.
    answered = counts.sum((0, 1))
    notes = [f"Measured at {at}; classes: {', '.join(classes)}; {classes[0]} is left out of the means."]
    notes += [
        f"Pixels of {', '.join(members)} were left out."
        if name == "ignored"
        else f"Measured as one class, {name}: {', '.join(members)}."
        for name, members in test.made_by.merged.items()
    ]
    if absent := [
        name for name, seen, said in zip(classes, pictures, answered, strict=True) if not seen and not said
    ]:
        notes.append(f"Neither in the masks nor in the answers, and so without F1: {', '.join(absent)}.")
    if false := [
        name for name, seen, said in zip(classes, pictures, answered, strict=True) if not seen and said
    ]:
        notes.append(f"In no mask but answered, and so with F1 0: {', '.join(false)}.")
    if rare := [f"{name} ({seen})" for name, seen in zip(classes, pictures, strict=True) if 0 < seen < _FEW]:
        notes.append(f"In fewer than {_FEW} pictures: {', '.join(rare)}; their F1 says little.")
    return notes
