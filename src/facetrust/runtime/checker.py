"""Models and a detector opened once, which pictures and videos are then checked with."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, InputError, UsageError
from facetrust.faces.detector import SEARCH, Detector, Search, checked_search, face_to_original, find_faces
from facetrust.imaging import Pixels
from facetrust.imaging.inputs import Color, Video, is_video, loaded, name_of, read_source, video_file
from facetrust.records import Box, CheckReport, Face
from facetrust.runtime.bundled import (
    ModelChoice,
    Thresholds,
    default_tasks,
    open_detector_for,
    open_models,
)
from facetrust.runtime.evidence import EvidenceMap, free_name, overlay, write_overlay
from facetrust.runtime.model import Answers, Judgement, Model, by_kind
from facetrust.runtime.quality_gate import measured, not_judged, reason_of
from facetrust.runtime.trust import lacking_faces, trust
from facetrust.runtime.videos import SAMPLING, Sampling, VideoChecker

Progress = Callable[[str, int, int], None]

_CROWD = 64  # Faces; the crops of more do not wait for other pictures.


class Failure(NamedTuple):
    """A source that could not be read, and why; `str(error)` is one line and names the source."""

    source: str
    error: InputError


class Checked(NamedTuple):
    """A report, and its overlays (H, W, 3) uint8 RGB by the name that `check --evidence` gives them."""

    report: CheckReport
    overlays: dict[str, Pixels]


class Checker:
    """Checks pictures and videos with models and a detector that are opened once.

    Its methods may be called from several threads at once.

    Args:
        tasks: what is asked, a name or several; every question about faces that a bundled model answers
            if none is given.
        models: per task a bundled name, an .onnx file or an open model; the bundled one without.
        thresholds: values above 0 and below 1 to decide at instead of the cards': one for all tasks that
            give scores, or per task.
        detector: an open detector or the file of a YuNet; MTCNN without.
        threads: threads of ONNX Runtime; 0 takes every core.
        sampling: which frames of a video are looked at, and how their scores become one.
        search: the smallest face that is looked for, and the most faces of a picture that are judged.
        color: order of the channels of arrays that are handed in.
        quality_gate: whether a face beyond the limits of a model's card is left unjudged.

    Raises:
        UsageError: a task is unknown or without a model; a setting is out of range.
        ModelError: a model's file cannot be used.
    """

    def __init__(
        self,
        tasks: Sequence[str] | str | None = None,
        *,
        models: ModelChoice | None = None,
        thresholds: Thresholds | None = None,
        detector: Detector | str | Path | None = None,
        threads: int = 1,
        sampling: Sampling = SAMPLING,
        search: Search = SEARCH,
        color: Color = "RGB",
        quality_gate: bool = True,
    ) -> None:
        asked = default_tasks() if tasks is None else tasks
        self.models = open_models(asked, models, threads=threads, thresholds=thresholds)
        self.detector = open_detector_for(self.models, detector, threads=threads)
        self.search = checked_search(search)
        self.quality_gate = quality_gate
        self._videos = VideoChecker(self.models, self.detector, sampling, search, quality_gate=quality_gate)
        self._color: Color = color

    def check(self, source: Any, *, evidence: str | Path | None = None) -> CheckReport:
        """Returns what is to be said of one picture or video.

        `trusted` is true when every face (and the picture itself, where a task judges it) was judged and
        none is distrusted, false when one is, and None, with a reason, when nothing is wrong but something
        could not be judged. Boxes and points are in pixels of the picture as read, after its EXIF tag.

        Args:
            source: a path, bytes of a picture or video, a file object, a PIL image, or a uint8 array
                (H, W), (H, W, 3) or (H, W, 4).
            evidence: folder for an overlay, `<name>.evidence.png`, with a panel per task. One that cannot be
                written is named in `evidence_errors`.

        Raises:
            ImageError: the source cannot be read.
        """
        (result,) = self.check_many([source], evidence=evidence, readers=0)
        if isinstance(result, Failure):
            raise result.error
        return result

    def check_with_overlays(self, source: Any) -> Checked:
        """Returns what `check` does, and the overlays instead of files of them.

        Raises:
            ImageError: the source cannot be read.
        """
        kept: dict[str, Pixels] = {}
        (result,) = self._run([source], batch=1, readers=0, draw=kept.__setitem__, progress=None)
        if isinstance(result, Failure):
            raise result.error
        return Checked(result, kept)

    def check_many(
        self,
        sources: Iterable[Any],
        *,
        evidence: str | Path | None = None,
        batch: int = 8,
        readers: int = 2,
        progress: Progress | None = None,
    ) -> Iterator[CheckReport | Failure]:
        """Yields a report or a failure for every source, in order; few pictures are in memory at a time.

        Args:
            sources: any number of what `check` takes; read as they are needed.
            evidence: folder for overlays.
            batch: pictures whose faces go through a model together.
            readers: threads that read and decode pictures ahead; 0 reads in this thread.
            progress: called with (video, frames judged, of how many) while a video is checked.

        Raises:
            UsageError: `sources` is a single one.
        """
        if isinstance(sources, (str, bytes, Path)):
            raise UsageError("check_many takes several sources; give a list, or call check")
        draw = None if evidence is None else partial(_write, Path(evidence))
        return self._run(sources, batch=max(1, batch), readers=readers, draw=draw, progress=progress)

    def check_video(
        self,
        source: str | Path | bytes,
        *,
        evidence: str | Path | None = None,
        progress: Progress | None = None,
    ) -> CheckReport:
        """Returns what is to be said of one video, whatever its name; see `VideoChecker.report`.

        Args:
            source: a path, or the bytes of a video.
            evidence: folder for overlays.
            progress: called with (video, frames judged, of how many).

        Raises:
            ImageError: not a video, cut off, without a frame, or past a limit.
        """
        draw = None if evidence is None else partial(_write, Path(evidence))
        result = _Run(self, self._videos, draw, progress).video(source)
        if isinstance(result, Failure):
            raise result.error
        return result

    def _run(
        self,
        sources: Iterable[Any],
        *,
        batch: int,
        readers: int,
        draw: Callable[[str, Pixels], None] | None,
        progress: Progress | None,
    ) -> Iterator[CheckReport | Failure]:
        run = _Run(self, self._videos, draw, progress)
        decode = partial(_decode, color=self._color)
        return run.reports(_decoded(sources, decode, readers=readers, ahead=readers + 1), batch=batch)


@dataclass
class _Picture:
    """A picture on its way to its report. Only its crops wait for the batch; the pixels are let go."""

    source: str
    image: Pixels | None
    size: tuple[int, int]
    timings: dict[str, float]
    turns: int = 0
    faces: tuple[Face, ...] = ()
    left_out: int = 0
    boxes: dict[str, list[Box]] = field(default_factory=dict)
    crops: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    judged: dict[str, list[Judgement]] = field(default_factory=dict)
    maps: list[EvidenceMap] = field(default_factory=list)

    def rows(self, task: str) -> list[int]:
        """Returns which of the faces a task's model judges."""
        refused = [[each.task for each in face.not_judged] for face in self.faces]
        return [row for row, tasks in enumerate(refused) if task not in tasks]

    def asked(self, task: str) -> list[Face]:
        """Returns the faces that a task's model judges."""
        return [self.faces[row] for row in self.rows(task)]

    def points(self, model: Model) -> list[tuple[Any, ...]]:
        """Returns the five points of what a model judges: of each face, or none of the picture."""
        return [face.points for face in self.asked(model.task.name)] if model.task.unit == "face" else [()]


class _Run:
    """One pass over sources; holds what must not be shared between threads: the names of overlays."""

    def __init__(
        self,
        checker: Checker,
        videos: VideoChecker,
        draw: Callable[[str, Pixels], None] | None,
        progress: Progress | None,
    ) -> None:
        self._models = checker.models
        self._detector = checker.detector
        self._gate = checker.quality_gate
        self._search = checker.search
        self._videos = videos
        self._draw = None if draw is None else partial(self._drawn, draw)
        self._progress = progress
        self._names: set[str] = set()
        self._undrawn: list[str] = []

    def reports(
        self, decoded: Iterator[_Picture | Video | Failure], *, batch: int
    ) -> Iterator[CheckReport | Failure]:
        """Yields a report per picture or video and passes failures on, in order."""
        waiting: list[_Picture | Failure] = []
        for each in decoded:
            if isinstance(each, Video):
                yield from self._finished(waiting)
                waiting = []
                yield self.video(each.source)
                continue
            waiting.append(self._prepared(each) if isinstance(each, _Picture) else each)
            if len(waiting) >= batch:
                yield from self._finished(waiting)
                waiting = []
        yield from self._finished(waiting)

    def video(self, source: Any) -> CheckReport | Failure:
        """Returns the report of one video, or why there is none."""
        name = name_of(source)
        progress = None if self._progress is None else partial(self._progress, name)
        try:
            with video_file(source) as path:
                report = self._videos.report(
                    path, source=name, draw=self._draw, name=self._free_name, progress=progress
                )
            return report.model_copy(update={"evidence_errors": self._evidence_errors()})
        except InputError as error:
            return Failure(name, error)

    def _prepared(self, picture: _Picture) -> _Picture | Failure:
        """The picture with its faces found and its crops cut."""
        image = picture.image
        if image is None:
            return picture
        start = time.perf_counter()
        if self._detector is not None:
            found = find_faces(image, self._detector, search=self._search)
            image, picture.turns, faces, picture.left_out = found
            picture.faces = tuple(self._measured(face, image) for face in faces)
            picture.timings["detect"] = time.perf_counter() - start
        for task, model in self._models.items():
            start = time.perf_counter()
            boxes, points = _whole(image) if model.task.unit == "picture" else _of_faces(picture.asked(task))
            picture.boxes[task] = boxes
            try:
                if len(boxes) > _CROWD:
                    evidence = self._draw is not None
                    self._note(picture, task, model.answer_faces(image, boxes, points, evidence=evidence))
                else:
                    picture.crops[task] = model.crops(image, boxes, points)
            except ImageError as error:
                return Failure(picture.source, ImageError(f"{picture.source}: {error}"))
            if boxes:
                picture.timings[task] = time.perf_counter() - start
        picture.image = None if self._draw is None else image
        return picture

    def _finished(self, pictures: Sequence[_Picture | Failure]) -> Iterator[CheckReport | Failure]:
        good = [each for each in pictures if isinstance(each, _Picture)]
        for task, model in self._models.items():
            self._judge(good, task, model)
        for each in pictures:
            yield each if isinstance(each, Failure) else self._report(each)

    def _judge(self, pictures: Sequence[_Picture], task: str, model: Model) -> None:
        """Puts the crops of all pictures to one model at once."""
        pictures = [each for each in pictures if each.boxes[task] and task in each.crops]
        if not pictures:
            return
        start = time.perf_counter()
        crops = np.concatenate([each.crops.pop(task) for each in pictures])
        values, maps = model.answer(crops, evidence=self._draw is not None)
        share = (time.perf_counter() - start) / len(values)
        first = 0
        for picture in pictures:
            rows = slice(first, first + len(picture.boxes[task]))
            first = rows.stop
            self._note(picture, task, Answers(values[rows], None if maps is None else maps[rows]))
            picture.timings[task] += share * len(picture.boxes[task])

    def _note(self, picture: _Picture, task: str, answers: Answers) -> None:
        """Keeps a model's answers about a picture."""
        model = self._models[task]
        picture.judged[task] = [model.judge(value) for value in answers.values]
        if answers.evidence is not None:
            preprocessing = model.card.preprocessing
            picture.maps += [
                EvidenceMap(task, box, preprocessing, evidence[0], points)
                for box, points, evidence in zip(
                    picture.boxes[task], picture.points(model), answers.evidence, strict=True
                )
            ]

    def _report(self, picture: _Picture) -> CheckReport:
        of_picture = [
            each
            for task, judged in picture.judged.items()
            if self._asks_of(task, "picture")
            for each in judged
        ]
        of_faces: list[list[Judgement]] = [[] for _ in picture.faces]
        for task, judged in picture.judged.items():
            if self._asks_of(task, "face"):
                for row, each in zip(picture.rows(task), judged, strict=True):
                    of_faces[row].append(each)
        faces = tuple(
            face.model_copy(update=by_kind(each)) for face, each in zip(picture.faces, of_faces, strict=True)
        )
        said = by_kind(of_picture)
        verdicts = [*said["verdicts"], *(verdict for face in faces for verdict in face.verdicts)]
        lacking = None
        if self._detector is not None:
            lacking = lacking_faces(len(faces), picture.left_out) or reason_of(faces)
        trusted, reason = trust(verdicts, lacking=lacking)
        if self._draw is not None and picture.image is not None:
            start = time.perf_counter()
            self._draw(self._free_name(picture.source), overlay(picture.image, faces, picture.maps))
            picture.timings["evidence"] = time.perf_counter() - start
        return CheckReport(
            source=picture.source,
            size=picture.size,
            trusted=trusted,
            reason=reason,
            **said,
            faces=tuple(face_to_original(face, picture.size, picture.turns) for face in faces),
            left_out=picture.left_out,
            timings=picture.timings,
            evidence_errors=self._evidence_errors(),
            quality_gate=self._gate,
        )

    def _measured(self, face: Face, image: Pixels) -> Face:
        """The face with its quality and, where the gate is on, with the models that do not judge it."""
        face = measured(face, image)
        if not self._gate or face.quality is None:
            return face
        return face.model_copy(update={"not_judged": not_judged(face.quality, self._models)})

    def _drawn(self, draw: Callable[[str, Pixels], None], name: str, pixels: Pixels) -> None:
        """Hands an overlay on; a verdict is never lost because its picture cannot be written."""
        try:
            draw(name, pixels)
        except UsageError as error:
            self._undrawn.append(str(error))

    def _evidence_errors(self) -> tuple[str, ...]:
        """What went wrong with the overlays of the report that is made now."""
        errors, self._undrawn = tuple(self._undrawn), []
        return errors

    def _asks_of(self, task: str, unit: str) -> bool:
        return self._models[task].task.unit == unit

    def _free_name(self, source: str) -> str:
        name = free_name(source, self._names)
        self._names.add(name)
        return name


def _write(folder: Path, name: str, pixels: Pixels) -> None:
    write_overlay(folder / name, pixels)


def _whole(image: Pixels) -> tuple[list[Box], None]:
    return [(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))], None


def _of_faces(faces: Sequence[Face]) -> tuple[list[Box], list[tuple[Any, ...]]]:
    return [face.box for face in faces], [face.points for face in faces]


def _decoded(
    sources: Iterable[Any], decode: Callable[[Any], Any], *, readers: int, ahead: int
) -> Iterator[_Picture | Video | Failure]:
    """Pictures in order; with readers, at most `ahead` are decoded before they are asked for."""
    if not readers:
        yield from map(decode, sources)
        return
    with ThreadPoolExecutor(readers, thread_name_prefix="facetrust-read") as pool:
        queue: deque[Future[_Picture | Video | Failure]] = deque()
        try:
            for source in sources:
                queue.append(pool.submit(decode, source))
                if len(queue) > ahead:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            # The caller may stop early; what was not begun need not be read.
            for waiting in queue:
                waiting.cancel()


def _decode(source: Any, *, color: Color) -> _Picture | Video | Failure:
    name = name_of(source)
    start = time.perf_counter()
    try:
        source = loaded(source)
        if is_video(source):
            return Video(name, source)
        _, image = read_source(source, color=color)
    except InputError as error:
        return Failure(name, error)
    return _Picture(name, image, (image.shape[0], image.shape[1]), {"decode": time.perf_counter() - start})
