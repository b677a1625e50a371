"""What is gathered from a video's frames: tracks of faces with their scores, and no pixels."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from facetrust.imaging import Pixels
from facetrust.records import Face, TaskName
from facetrust.runtime._asked import FACE_TASKS, PICTURE_TASKS
from facetrust.runtime.detector import Detector, face_to_original, find_faces
from facetrust.runtime.session import Model
from facetrust.runtime.tracks import Sighting, join


class Moment(NamedTuple):
    """A face in one frame: the frame's number and time, the face in the frame and in the frame upright."""

    frame: int
    time: float
    turns: int
    face: Face
    upright: Face


@dataclass
class Track:
    """One face: when it was seen, each task's scores then, and the moment of the highest score."""

    last: Sighting
    telling: Moment
    above: float
    times: list[float]
    scores: dict[TaskName, list[float]]


class Seen:
    """Gathers tracks (number → track) and, per task about whole pictures, a score a frame."""

    def __init__(self, models: Mapping[TaskName, Model], detector: Detector | None, *, gap: float) -> None:
        self.tracks: dict[int, Track] = {}
        self.whole: dict[TaskName, list[float]] = {task: [] for task in models if task in PICTURE_TASKS}
        self.timings: dict[str, float] = {}
        self.size = (0, 0)
        self.frames = 0
        self._models = models
        self._detector = detector
        self._gap = gap

    def spent(self, what: str, start: float) -> None:
        """Adds the seconds since `start` to a timing."""
        self.timings[what] = self.timings.get(what, 0.0) + time.perf_counter() - start

    def look(self, image: Pixels, index: int, *, at: float) -> None:
        """Finds, joins and judges the faces of one frame (H, W, 3) uint8 RGB, seen `at` seconds."""
        self.size = (image.shape[0], image.shape[1])
        self.frames += 1
        turns = 0
        faces: tuple[Face, ...] = ()
        if self._detector is not None:
            start = time.perf_counter()
            image, turns, found = find_faces(image, self._detector)
            # A picture's only find counts even if it is weak; a video shows a face more than once.
            faces = tuple(face for face in found if face.confidence >= self._detector.likely)
            self.spent("detect", start)
        moments = [Moment(index, at, turns, face_to_original(face, self.size, turns), face) for face in faces]
        self._add(moments, self._judged(image, faces))

    def _judged(self, image: Pixels, faces: Sequence[Face]) -> dict[TaskName, list[float]]:
        """Each task's score per face; those of the picture itself are kept."""
        of_faces: dict[TaskName, list[float]] = {}
        for task, model in self._models.items():
            start = time.perf_counter()
            if task in FACE_TASKS:
                of_faces[task] = model.score(image, [face.box for face in faces]).tolist()
            else:
                whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
                self.whole[task] += model.score(image, [whole]).tolist()
            self.spent(task, start)
        return of_faces

    def _add(self, moments: Sequence[Moment], scores: Mapping[TaskName, Sequence[float]]) -> None:
        if not moments:
            return
        last = {number: track.last for number, track in self.tracks.items()}
        numbers = join(last, [moment.face for moment in moments], time=moments[0].time, gap=self._gap)
        for row, (number, moment) in enumerate(zip(numbers, moments, strict=True)):
            above = max(scores[task][row] - self._models[task].threshold for task in scores)
            sighting = Sighting(moment.time, moment.face)
            if number not in self.tracks:
                self.tracks[number] = Track(sighting, moment, above, [], {task: [] for task in scores})
            track = self.tracks[number]
            track.last = sighting
            if above > track.above:
                track.telling, track.above = moment, above
            track.times.append(moment.time)
            for task in scores:
                track.scores[task].append(scores[task][row])
