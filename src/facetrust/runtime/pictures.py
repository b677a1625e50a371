"""Pictures on their way to their reports: decoded ahead, judged in batches, reported in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, InputError, UsageError
from facetrust.faces.detector import Detector, Search, face_to_original, find_faces
from facetrust.imaging import Pixels
from facetrust.imaging.inputs import Color, Video, is_video, loaded, name_of, read_source, video_file
from facetrust.records import Box, CheckReport, Face
from facetrust.runtime.evidence import EvidenceMap, Scene, free_name, overlay
from facetrust.runtime.evidence_parts import with_parts
from facetrust.runtime.model import Answers, Judgement, Model, by_kind
from facetrust.runtime.quality_gate import measured, not_judged, reason_of
from facetrust.runtime.trust import lacking_faces, trust
from facetrust.runtime.videos import VideoChecker

Progress = Callable[[str, int, int], None]

_CROWD = 64  # Faces; the crops of more do not wait for other pictures.


class Failure(NamedTuple):
    """A source that could not be read, and why; `str(error)` is one line and names the source."""

    source: str
    error: InputError


@dataclass
class Picture:
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


class Run:
    """One pass over sources; holds what must not be shared between threads: the names of overlays.

    With a `parser`, verdicts whose evidence is drawn name the parts of the face that it lies on.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        detector: Detector | None,
        videos: VideoChecker,
        *,
        search: Search,
        quality_gate: bool,
        draw: Callable[[str, Pixels], None] | None = None,
        show: Callable[[Scene], None] | None = None,
        parser: Model | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._models = models
        self._detector = detector
        self._search = search
        self._gate = quality_gate
        self._videos = videos
        self._draw = None if draw is None else partial(self._drawn, draw)
        self._show = show
        self._parser = parser
        self._progress = progress
        self._names: set[str] = set()
        self._undrawn: list[str] = []

    def reports(
        self, decoded: Iterator[Picture | Video | Failure], *, batch: int
    ) -> Iterator[CheckReport | Failure]:
        """Yields a report per picture or video and passes failures on, in order."""
        waiting: list[Picture | Failure] = []
        for each in decoded:
            if isinstance(each, Video):
                yield from self._finished(waiting)
                waiting = []
                yield self.video(each.source)
                continue
            waiting.append(self._prepared(each) if isinstance(each, Picture) else each)
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
                    path,
                    source=name,
                    draw=self._draw,
                    show=self._show,
                    name=self._free_name,
                    progress=progress,
                )
            return report.model_copy(update={"evidence_errors": self._evidence_errors()})
        except InputError as error:
            return Failure(name, error)

    def _prepared(self, picture: Picture) -> Picture | Failure:
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
        picture.image = None if self._draw is None and self._show is None else image
        return picture

    def _finished(self, pictures: Sequence[Picture | Failure]) -> Iterator[CheckReport | Failure]:
        good = [each for each in pictures if isinstance(each, Picture)]
        for task, model in self._models.items():
            self._judge(good, task, model)
        for each in pictures:
            yield each if isinstance(each, Failure) else self._report(each)

    def _judge(self, pictures: Sequence[Picture], task: str, model: Model) -> None:
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

    def _note(self, picture: Picture, task: str, answers: Answers) -> None:
        """Keeps a model's answers about a picture."""
        model = self._models[task]
        picture.judged[task] = [model.judge(value) for value in answers.values]
        if answers.evidence is not None:
            preprocessing = model.card.preprocessing
            picture.maps += [
                EvidenceMap(task, box, preprocessing, values, points, crop)
                for box, points, evidence in zip(
                    picture.boxes[task], picture.points(model), answers.evidence, strict=True
                )
                for crop, values in enumerate(evidence if preprocessing.align == "native" else evidence[:1])
            ]

    def _report(self, picture: Picture) -> CheckReport:
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
        trusted, reason = trust(verdicts, lacking=lacking, unproven=reason_of(faces, advisory=True))
        if self._parser is not None and picture.image is not None:
            faces = with_parts(picture.image, faces, picture.maps, self._parser)
        if self._show is not None and picture.image is not None:
            self._show(Scene(picture.image, faces, picture.maps, turns=picture.turns))
        if self._draw is not None and picture.image is not None:
            start = time.perf_counter()
            drawn = overlay(picture.image, faces, picture.maps, verdicts=said["verdicts"])
            self._draw(self._free_name(picture.source), drawn)
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


def _whole(image: Pixels) -> tuple[list[Box], None]:
    return [(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))], None


def _of_faces(faces: Sequence[Face]) -> tuple[list[Box], list[tuple[Any, ...]]]:
    return [face.box for face in faces], [face.points for face in faces]


def decoded(
    sources: Iterable[Any], decode: Callable[[Any], Any], *, readers: int, ahead: int
) -> Iterator[Picture | Video | Failure]:
    """Pictures in order; with readers, at most `ahead` are decoded before they are asked for."""
    if not readers:
        yield from map(decode, sources)
        return
    with ThreadPoolExecutor(readers, thread_name_prefix="facetrust-read") as pool:
        queue: deque[Future[Picture | Video | Failure]] = deque()
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


def decode(source: Any, *, color: Color) -> Picture | Video | Failure:
    """Returns a source as a picture (H, W, 3), the video that it is, or why it cannot be read."""
    name = name_of(source)
    start = time.perf_counter()
    try:
        source = loaded(source)
        if is_video(source):
            return Video(name, source)
        _, image = read_source(source, color=color)
    except InputError as error:
        return Failure(name, error)
    return Picture(name, image, (image.shape[0], image.shape[1]), {"decode": time.perf_counter() - start})
