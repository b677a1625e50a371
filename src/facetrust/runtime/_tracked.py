"""What is gathered from a video's frames: tracks of faces with their scores, and no pixels."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.faces.appearance import Appearance, appearances
from facetrust.faces.detector import SEARCH, Detector, Search, face_to_original, find_faces
from facetrust.faces.tracks import GAP, Detection, join
from facetrust.imaging import Pixels
from facetrust.records import Face, Quality
from facetrust.runtime.model import Model
from facetrust.runtime.quality_gate import measured

# Of the time unseen after which a track ends: from one search for small faces to the next. Less than a half,
# so that one miss and times rounded to frames end no track.
_EVERY = 0.45


class Sighting(NamedTuple):
    """A face in one frame: the frame's number and time, the face in the frame and in the frame upright."""

    frame: int
    time: float
    turns: int
    face: Face
    upright: Face
    appearance: Appearance


@dataclass
class Track:
    """One face: when it was seen, each task's scores and its quality then, the moment of the highest score.

    `others` are the answers at that moment to the tasks whose answer is no score.
    """

    last: Detection
    telling: Sighting
    above: float
    times: list[float]
    scores: dict[str, list[float]]
    others: dict[str, NDArray[np.float64]]
    qualities: list[Quality] = field(default_factory=list)

    def forget_before(self, time: float) -> None:
        """Lets go of what was seen before a time; a telling moment before it tells no more."""
        gone = bisect_left(self.times, time)
        for values in (self.times, *self.scores.values()):
            del values[:gone]
        del self.qualities[: max(0, len(self.qualities) - len(self.times))]
        if self.telling.time < time:
            self.above = -math.inf


@dataclass
class Gathered:
    """Tracks by their numbers, each task's answers about whole frames, and the frames' times, in seconds.

    `searched` is when faces too small for the frame as a whole were last looked for.
    """

    tracks: dict[int, Track] = field(default_factory=dict)
    whole: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    searched: float = -math.inf


class TrackedFaces:
    """Gathers tracks (number → track), the frames' times, and each task's answers about whole frames.

    Unless faces are `joined` from frame to frame, each is a track of its own. Faces too small for the frame
    as a whole are looked for twice a second. `left_out` counts the faces beyond the most that are judged, in
    the fullest frame.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        detector: Detector | None,
        *,
        joined: bool = True,
        search: Search = SEARCH,
        gathered: Gathered | None = None,
    ) -> None:
        self.gathered = gathered or Gathered()
        self.tracks = self.gathered.tracks
        self.whole = self.gathered.whole
        self.times = self.gathered.times
        for task, model in models.items():
            if model.task.unit == "picture":
                self.whole.setdefault(task, [])
        self.timings: dict[str, float] = {}
        self.size = (0, 0)
        self.left_out = 0
        self._models = models
        self._detector = detector
        self._joined = joined
        self._search = search

    def spent(self, what: str, start: float) -> None:
        """Adds the seconds since `start` to a timing."""
        self.timings[what] = self.timings.get(what, 0.0) + time.perf_counter() - start

    def add_frame(self, image: Pixels, index: int, *, at: float) -> None:
        """Finds, joins and judges the faces of one frame (H, W, 3) uint8 RGB, seen `at` seconds."""
        self.size = (image.shape[0], image.shape[1])
        turns = 0
        faces: tuple[Face, ...] = ()
        if self._detector is not None:
            start = time.perf_counter()
            search = self._search
            if at - self.gathered.searched < _EVERY * self._gap_at(at):
                search = search._replace(smallest=None)
            else:
                self.gathered.searched = at
            image, turns, found, left_out = find_faces(image, self._detector, search=search)
            self.left_out = max(self.left_out, left_out)
            # A picture's only find counts even if it is weak; a video shows a face more than once.
            likely = (face for face in found if face.confidence >= self._detector.likely)
            faces = tuple(measured(face, image) for face in likely)
            self.spent("detect", start)
        looks = appearances(image, [face.box for face in faces])
        seen = [
            Sighting(index, at, turns, face_to_original(face, self.size, turns), face, look)
            for face, look in zip(faces, looks, strict=True)
        ]
        gap = self._gap_at(at) if self._joined else -math.inf
        self._add(seen, self._answers(image, faces), gap=gap)
        self.times.append(at)

    def forget_before(self, time: float) -> None:
        """Lets go of what was seen before a time; of the last track a stub stays, so that its number does."""
        newest = max(self.tracks, default=0)
        for number, track in list(self.tracks.items()):
            if track.last.time < time and number != newest:
                del self.tracks[number]
            else:
                track.forget_before(time)
        gone = bisect_left(self.times, time)
        del self.times[:gone]
        for answers in self.whole.values():
            del answers[:gone]

    def _gap_at(self, at: float) -> float:
        """Seconds unseen after which a track ends; where frames lie far apart, one miss must not end it."""
        return max([GAP, *(at - before for before in self.times[-2:])])

    def _answers(self, image: Pixels, faces: Sequence[Face]) -> dict[str, NDArray[np.float64]]:
        """Each task's answers about the faces; those about the picture itself are kept."""
        of_faces: dict[str, NDArray[np.float64]] = {}
        for task, model in self._models.items():
            start = time.perf_counter()
            if model.task.unit == "face":
                boxes, points = [face.box for face in faces], [face.points for face in faces]
                of_faces[task] = model.answer_faces(image, boxes, points).values
            else:
                whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
                self.whole[task] += list(model.answer(model.crops(image, [whole])).values)
            self.spent(task, start)
        return of_faces

    def _add(
        self, seen: Sequence[Sighting], answers: Mapping[str, NDArray[np.float64]], *, gap: float
    ) -> None:
        if not seen:
            return
        scored = [task for task in answers if self._models[task].task.output == "score"]
        last = {number: track.last for number, track in self.tracks.items()}
        detections = [Detection(each.time, each.face, each.appearance) for each in seen]
        numbers = join(last, detections, gap=gap)
        for row, (number, sighting) in enumerate(zip(numbers, seen, strict=True)):
            scores = {task: float(answers[task][row]) for task in scored}
            others = {task: answers[task][row] for task in answers if task not in scored}
            # Without a score, the moment of a face is the one where it was found most surely.
            above = max(
                (score - self._models[task].threshold for task, score in scores.items()),
                default=sighting.face.confidence,
            )
            detection = detections[row]
            if number not in self.tracks:
                nothing: dict[str, list[float]] = {task: [] for task in scored}
                self.tracks[number] = Track(detection, sighting, above, [], nothing, others)
            track = self.tracks[number]
            track.last = detection
            if above > track.above:
                track.telling, track.above, track.others = sighting, above, others
            track.times.append(sighting.time)
            if sighting.face.quality is not None:
                track.qualities.append(sighting.face.quality)
            for task, score in scores.items():
                track.scores[task].append(score)
