"""Checks pictures: faces are found, each is judged by a model per task, and a report says what came out.

A video among them is handed to `clip`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, InputError, UsageError
from facetrust.imaging import MIN_SIDE, Pixels, decode_image, read_image
from facetrust.records import DECISIONS, Box, CheckReport, Face, TaskName, Verdict
from facetrust.runtime._asked import (
    DEFAULT_TASKS,
    FACE_TASKS,
    PICTURE_TASKS,
    Given,
    detector_for,
    models_for,
)
from facetrust.runtime.clip import VIEWING, Viewing, Watcher
from facetrust.runtime.detector import Detector, face_to_original, find_faces
from facetrust.runtime.evidence import Heat, draw, free_name
from facetrust.runtime.session import Model
from facetrust.runtime.verdicts import NO_FACE, verdict
from facetrust.video import VIDEOS

Source = str | Path | bytes | Pixels
Progress = Callable[[str, int, int], None]


class Failure(NamedTuple):
    """A source that could not be read, and why; `str(error)` is one line and names the source."""

    source: str
    error: InputError


def check(
    source: Source,
    *,
    tasks: Sequence[TaskName] = DEFAULT_TASKS,
    models: Given | None = None,
    detector: Detector | str | Path | None = None,
    evidence: str | Path | None = None,
    threads: int = 1,
    viewing: Viewing = VIEWING,
) -> CheckReport:
    """Returns what is to be said of one picture or video; of a video, see `clip.check_clip`.

    `trusted` is true when every face (and the picture itself, where a task judges it) is found
    bona fide, false when one is not, and None, with a reason, when there was no face to judge.
    Boxes and points are in pixels of the picture as read, after its EXIF tag.

    Args:
        source: a file, the bytes of a picture, or (H, W, 3) uint8 RGB. A file named as `video.VIDEOS`
            are is a video.
        tasks: what is asked; without, every question about faces that a bundled model answers.
        models: per task a bundled name, an .onnx file or an open model; the bundled one without.
        detector: an open detector or the file of a YuNet; MTCNN without.
        evidence: folder for an overlay, `<name>.evidence.png`, with a panel per task.
        threads: threads of ONNX Runtime; 0 takes every core.
        viewing: which frames of a video are looked at, and how their scores become one.

    Raises:
        ImageError: the source cannot be read.
        UsageError: a task is not known or has no model, or `viewing` is out of range.
        ModelError: a model's file cannot be used.
    """
    found = check_many(
        [source],
        tasks=tasks,
        models=models,
        detector=detector,
        evidence=evidence,
        threads=threads,
        viewing=viewing,
        readers=0,
    )
    result = next(found)
    if isinstance(result, Failure):
        raise result.error
    return result


def check_many(
    sources: Iterable[Source],
    *,
    tasks: Sequence[TaskName] = DEFAULT_TASKS,
    models: Given | None = None,
    detector: Detector | str | Path | None = None,
    evidence: str | Path | None = None,
    threads: int = 1,
    viewing: Viewing = VIEWING,
    batch: int = 8,
    readers: int = 2,
    progress: Progress | None = None,
) -> Iterator[CheckReport | Failure]:
    """Yields a report or a failure for every source, in order; few pictures are in memory at a time.

    Takes what `check` takes, and:

    Args:
        sources: any number of them; read as they are needed.
        batch: pictures whose faces go through a model together.
        readers: threads that read and decode pictures ahead; 0 reads in this thread.
        progress: called with (video, frames judged, of how many) while a video is checked.

    Raises:
        UsageError: as `check`, or `sources` is a single one.
        ModelError: a model's file cannot be used.
    """
    if isinstance(sources, (str, bytes, Path)):
        raise UsageError("check_many takes several sources; give a list, or call check")
    asked = models_for(tasks, models, threads=threads)
    found = detector_for(tasks, detector, threads=threads)
    folder = None if evidence is None else Path(evidence)
    watcher = Watcher(asked, found, viewing, evidence=folder)
    checker = _Checker(asked, found, watcher, evidence=folder, progress=progress)
    return checker.run(_decoded(sources, readers=readers, ahead=readers + 1), batch=max(1, batch))


class _Film(NamedTuple):
    """A video on its way; it is decoded when its turn comes."""

    source: str


@dataclass
class _Job:
    """A picture on its way to its report. Only its crops wait for the batch; the pixels are let go."""

    source: str
    image: Pixels | None
    size: tuple[int, int]
    timings: dict[str, float]
    turns: int = 0
    faces: tuple[Face, ...] = ()
    boxes: dict[TaskName, list[Box]] = field(default_factory=dict)
    crops: dict[TaskName, NDArray[np.float32]] = field(default_factory=dict)
    verdicts: dict[TaskName, list[Verdict]] = field(default_factory=dict)
    heats: list[Heat] = field(default_factory=list)


class _Checker:
    """Detects, judges and reports with the models and the detector that were opened once."""

    def __init__(
        self,
        models: Mapping[TaskName, Model],
        detector: Detector | None,
        watcher: Watcher,
        *,
        evidence: Path | None,
        progress: Progress | None,
    ) -> None:
        self._models = models
        self._detector = detector
        self._watcher = watcher
        self._evidence = evidence
        self._progress = progress
        self._names: set[str] = set()

    def run(self, jobs: Iterator[_Job | _Film | Failure], *, batch: int) -> Iterator[CheckReport | Failure]:
        """Yields a report per job and passes failures on, in order."""
        waiting: list[_Job | Failure] = []
        for job in jobs:
            if isinstance(job, _Film):
                yield from self._reports(waiting)
                waiting = []
                yield self._watched(job.source)
                continue
            if isinstance(job, _Job):
                self._look(job)
            waiting.append(job)
            if len(waiting) >= batch:
                yield from self._reports(waiting)
                waiting = []
        yield from self._reports(waiting)

    def _watched(self, source: str) -> CheckReport | Failure:
        told = None if self._progress is None else partial(self._progress, source)
        try:
            return self._watcher.report(source, name=self._free, progress=told)
        except InputError as error:
            return Failure(source, error)

    def _look(self, job: _Job) -> None:
        """Finds the faces and cuts the crops."""
        image = job.image
        if image is None:
            return
        start = time.perf_counter()
        if self._detector is not None:
            image, job.turns, job.faces = find_faces(image, self._detector)
            job.timings["detect"] = time.perf_counter() - start
        for task, model in self._models.items():
            start = time.perf_counter()
            whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
            boxes = [whole] if task in PICTURE_TASKS else [face.box for face in job.faces]
            job.boxes[task], job.crops[task] = boxes, model.crops(image, boxes)
            if boxes:
                job.timings[task] = time.perf_counter() - start
        job.image = None if self._evidence is None else image

    def _reports(self, jobs: Sequence[_Job | Failure]) -> Iterator[CheckReport | Failure]:
        good = [job for job in jobs if isinstance(job, _Job)]
        for task, model in self._models.items():
            self._judge(good, task, model)
        for job in jobs:
            yield job if isinstance(job, Failure) else self._report(job)

    def _judge(self, jobs: Sequence[_Job], task: TaskName, model: Model) -> None:
        """Runs one model over the crops of all jobs at once."""
        jobs = [job for job in jobs if job.boxes[task]]
        if not jobs:
            return
        start = time.perf_counter()
        crops = np.concatenate([job.crops.pop(task) for job in jobs])
        scores, maps = model.score_crops(crops, evidence=self._evidence is not None)
        share = (time.perf_counter() - start) / len(scores)
        first = 0
        for job in jobs:
            boxes = job.boxes[task]
            rows = range(first, first + len(boxes))
            first += len(boxes)
            job.verdicts[task] = [verdict(task, float(scores[row]), model) for row in rows]
            job.timings[task] += share * len(boxes)
            if maps is not None:
                how = model.card.preprocessing
                job.heats += [
                    Heat(task, box, how, maps[row, 0]) for box, row in zip(boxes, rows, strict=True)
                ]

    def _report(self, job: _Job) -> CheckReport:
        of_picture = tuple(v for task in PICTURE_TASKS for v in job.verdicts.get(task, ()))
        of_faces = [job.verdicts[task] for task in FACE_TASKS if task in job.verdicts]
        faces = tuple(
            face.model_copy(update={"verdicts": tuple(verdicts[row] for verdicts in of_faces)})
            for row, face in enumerate(job.faces)
        )
        everything = [*of_picture, *(verdict for face in faces for verdict in face.verdicts)]
        trusted: bool | None = all(v.decision == DECISIONS[v.task][0] for v in everything)
        lacking = self._detector is not None and not faces
        if lacking and trusted:
            trusted = None
        if self._evidence is not None and job.image is not None:
            start = time.perf_counter()
            draw(self._evidence / self._free(job.source), job.image, faces, job.heats)
            job.timings["evidence"] = time.perf_counter() - start
        return CheckReport(
            source=job.source,
            size=job.size,
            trusted=trusted,
            reason=NO_FACE if lacking else None,
            verdicts=of_picture,
            faces=tuple(face_to_original(face, job.size, job.turns) for face in faces),
            timings=job.timings,
        )

    def _free(self, source: str) -> str:
        name = free_name(source, self._names)
        self._names.add(name)
        return name


def _decoded(sources: Iterable[Source], *, readers: int, ahead: int) -> Iterator[_Job | _Film | Failure]:
    """Jobs in order; with readers, at most `ahead` pictures are decoded before they are asked for."""
    if not readers:
        yield from map(_decode, sources)
        return
    with ThreadPoolExecutor(readers, thread_name_prefix="facetrust-read") as pool:
        queue: deque[Future[_Job | _Film | Failure]] = deque()
        try:
            for source in sources:
                queue.append(pool.submit(_decode, source))
                if len(queue) > ahead:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            # The caller may stop early; what was not begun need not be read.
            for waiting in queue:
                waiting.cancel()


def _decode(source: Source) -> _Job | _Film | Failure:
    name = str(source) if isinstance(source, (str, Path)) else f"<{type(source).__name__}>"
    if isinstance(source, (str, Path)) and name.lower().endswith(VIDEOS):
        return _Film(name)
    start = time.perf_counter()
    try:
        if isinstance(source, (str, Path)):
            image = read_image(source)
        elif isinstance(source, bytes):
            image = decode_image(source, name)
        else:
            image = _checked(source, name)
    except InputError as error:
        return Failure(name, error)
    return _Job(name, image, (image.shape[0], image.shape[1]), {"decode": time.perf_counter() - start})


def _checked(array: Pixels, name: str) -> Pixels:
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        kind = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ImageError(f"{name}: is {kind}; give a path, bytes or a (H, W, 3) uint8 RGB array")
    if min(array.shape[:2]) < MIN_SIDE:
        raise ImageError(
            f"{name}: {array.shape[1]}x{array.shape[0]} pixels; at least {MIN_SIDE} a side are needed"
        )
    return np.ascontiguousarray(array)
