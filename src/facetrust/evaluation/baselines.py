"""Trivial baselines: a logistic regression on each probe of a face, fitted and scored."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from facetrust.data.audit.probes import OF_CROPS, PROBES, Values, probe_values
from facetrust.data.manifest import Manifest, absolute
from facetrust.errors import ImageError
from facetrust.evaluation.scorers import Answer, Reader
from facetrust.imaging import box_of, read_sample
from facetrust.metrics import Logistic, fit_logistic
from facetrust.records import Preprocessing, Sample

_log = logging.getLogger("facetrust")


class Baseline(NamedTuple):
    """A logistic regression on one probe, and what it was fitted on.

    version: hash of the manifest; beside it the crop's sides of the face and pixels where these matter.
    """

    model: Logistic
    version: str


def fit_baselines(manifest: Manifest, preprocessing: Preprocessing) -> dict[str, Baseline]:
    """Returns one baseline per probe, fitted on the train rows; none where these have one label only.

    Args:
        preprocessing: of the model that they stand beside, whose crops some probes measure.
    """
    if {row.label for row in manifest.samples() if row.split == "train"} != {0, 1}:
        _log.warning(
            "no baselines: %s has not both labels in train; name another to fit them on", manifest.source
        )
        return {}
    rows = absolute(manifest.only("train").samples(), manifest.root)
    values = measure(rows, read_sample, preprocessing)
    readable = [each for each in values if each is not None]
    labels = np.array([row.label for row, each in zip(rows, values, strict=True) if each is not None])
    height, width = preprocessing.size
    crop = f"{manifest.hash}+{preprocessing.margins[0]:g}x{height}x{width}"
    return {
        probe: Baseline(
            fit_logistic(np.stack([each[probe] for each in readable]), labels),
            crop if probe in OF_CROPS else manifest.hash,
        )
        for probe in PROBES
    }


def score_baselines(
    baselines: Mapping[str, Baseline], rows: Sequence[Sample], read: Reader, preprocessing: Preprocessing
) -> dict[str, list[Answer]]:
    """Returns each baseline's answers, one per row: the chance of an attack, or an error where unreadable."""
    values = measure(rows, read, preprocessing)
    return {
        probe: [_answer(baseline, probe, each) for each in values] for probe, baseline in baselines.items()
    }


def measure(
    rows: Sequence[Sample], read: Reader, preprocessing: Preprocessing
) -> list[dict[str, Values] | None]:
    """Returns every probe's values (d,) of each row's face; None for a picture that cannot be read."""
    return [_values(row, read, preprocessing) for row in rows]


def _values(row: Sample, read: Reader, preprocessing: Preprocessing) -> dict[str, Values] | None:
    try:
        image, shown = read(row)
    except ImageError:
        return None
    return probe_values(image, box_of(shown, image), preprocessing)


def _answer(baseline: Baseline, probe: str, values: Mapping[str, Values] | None) -> Answer:
    if values is None:
        return ImageError("unreadable")
    return float(baseline.model.probability(values[probe][None])[0])
