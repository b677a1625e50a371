"""One call: a picture or a video is checked, with models that are opened for it; see `Checker`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facetrust.faces.detector import SEARCH, Detector, Search
from facetrust.imaging.inputs import Color
from facetrust.records import CheckReport, Policy
from facetrust.runtime.bundled import ModelChoice, Thresholds
from facetrust.runtime.checker import Checker
from facetrust.runtime.pictures import Failure, Progress
from facetrust.runtime.videos import SAMPLING, Sampling


def check(
    source: Any,
    *,
    tasks: Sequence[str] | str | None = None,
    models: ModelChoice | None = None,
    thresholds: Thresholds | None = None,
    policy: Policy | None = None,
    detector: Detector | str | Path | None = None,
    evidence: str | Path | None = None,
    threads: int = 1,
    sampling: Sampling = SAMPLING,
    search: Search = SEARCH,
    color: Color = "RGB",
    quality_gate: bool = True,
) -> CheckReport:
    """Returns what is to be said of one picture or video: `Checker(...).check(source)`.

    What comes with the package is opened once, so that this may be called in a loop. For arguments, see
    `Checker` and `Checker.check`.

    Raises:
        ImageError: the source cannot be read.
        UsageError: a task is unknown or without a model; a setting is out of range.
        ModelError: a model's file cannot be used.
    """
    checker = Checker(
        tasks,
        models=models,
        thresholds=thresholds,
        policy=policy,
        detector=detector,
        threads=threads,
        sampling=sampling,
        search=search,
        color=color,
        quality_gate=quality_gate,
    )
    return checker.check(source, evidence=evidence)


def check_many(
    sources: Iterable[Any],
    *,
    tasks: Sequence[str] | str | None = None,
    models: ModelChoice | None = None,
    thresholds: Thresholds | None = None,
    policy: Policy | None = None,
    detector: Detector | str | Path | None = None,
    evidence: str | Path | None = None,
    threads: int = 1,
    sampling: Sampling = SAMPLING,
    search: Search = SEARCH,
    color: Color = "RGB",
    quality_gate: bool = True,
    batch: int = 8,
    readers: int = 2,
    progress: Progress | None = None,
) -> Iterator[CheckReport | Failure]:
    """Yields a report or a failure for every source, in order: `Checker(...).check_many(sources)`.

    Raises:
        UsageError: as `check`, or `sources` is a single one.
        ModelError: a model's file cannot be used.
    """
    checker = Checker(
        tasks,
        models=models,
        thresholds=thresholds,
        policy=policy,
        detector=detector,
        threads=threads,
        sampling=sampling,
        search=search,
        color=color,
        quality_gate=quality_gate,
    )
    return checker.check_many(sources, evidence=evidence, batch=batch, readers=readers, progress=progress)


def check_video(
    source: str | Path | bytes,
    *,
    tasks: Sequence[str] | str | None = None,
    models: ModelChoice | None = None,
    thresholds: Thresholds | None = None,
    policy: Policy | None = None,
    detector: Detector | str | Path | None = None,
    evidence: str | Path | None = None,
    threads: int = 1,
    sampling: Sampling = SAMPLING,
    search: Search = SEARCH,
    quality_gate: bool = True,
    progress: Progress | None = None,
) -> CheckReport:
    """Returns what is to be said of one video, whatever its name: `Checker(...).check_video(source)`.

    Raises:
        ImageError: not a video, cut off, without a frame, or past a limit.
        UsageError: a task is unknown or without a model; a setting is out of range.
        ModelError: a model's file cannot be used.
    """
    checker = Checker(
        tasks,
        models=models,
        thresholds=thresholds,
        policy=policy,
        detector=detector,
        threads=threads,
        sampling=sampling,
        search=search,
        quality_gate=quality_gate,
    )
    return checker.check_video(source, evidence=evidence, progress=progress)
