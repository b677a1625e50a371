"""Checks videos: faces are followed through frames taken at even times, and their scores become verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, UsageError
from facetrust.faces.detector import SEARCH, Detector, Search, checked_search
from facetrust.fusion import WORST_STRETCH, rule_named
from facetrust.imaging import MIN_SIDE, Pixels, quarter_turn
from facetrust.imaging.quality import median_quality
from facetrust.imaging.video import Timing, iter_frames, timing_of
from facetrust.records import CheckReport, Face, Timeline, Verdict, VideoSummary
from facetrust.runtime._tracked import Track, TrackedFaces
from facetrust.runtime.evidence import EvidenceMap, Scene, free_name, overlay
from facetrust.runtime.model import Model, by_kind
from facetrust.runtime.quality_gate import not_judged, reason_of
from facetrust.runtime.trust import lacking_faces, trust

_CLOSE = 1e-9  # Steps by which times differ that are meant to be equal.
_DIGITS = 3  # Of a time in seconds, as it is reported.

Progress = Callable[[int, int], None]


class Sampling(NamedTuple):
    """How a video is looked at: frames a second, the most frames in all, and the rule of its score.

    A video too long for `most` is looked at more thinly; the times stay evenly spaced. The rules are
    those of `facetrust.fusion.rule_named`. One longer than `longest` seconds is refused.
    """

    per_second: float = 4.0
    most: int = 720
    rule: str = WORST_STRETCH
    longest: float = math.inf


SAMPLING = Sampling()


class VideoChecker:
    """Checks videos with the models and the detector that were opened once.

    Args:
        quality_gate: whether a track whose median quality is beyond the limits of a model's card is left
            unjudged.

    Raises:
        UsageError: `sampling` or `search` is out of range, or the rule is not known.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        detector: Detector | None,
        sampling: Sampling = SAMPLING,
        search: Search = SEARCH,
        *,
        quality_gate: bool = True,
    ) -> None:
        if not (0 < sampling.per_second < math.inf and sampling.most >= 1):
            raise UsageError(
                f"a video needs frames a second above 0 and at least 1 in all; got {sampling.per_second} "
                f"and {sampling.most}"
            )
        self._rule = rule_named(sampling.rule)
        self.rule_name = sampling.rule
        self._models = models
        self._detector = detector
        self._sampling = sampling
        self._search = checked_search(search)
        self._gate = quality_gate

    def report(
        self,
        path: str | Path,
        *,
        source: str = "",
        draw: Callable[[str, Pixels], None] | None = None,
        show: Callable[[Scene], None] | None = None,
        name: Callable[[str], str] = lambda source: free_name(source, ()),
        progress: Progress | None = None,
    ) -> CheckReport:
        """Returns what is to be said of one video; its `faces` are tracks, in the order of their appearance.

        A frame is looked at as a picture is, but only likely faces count. A track's verdicts are made of
        its scores, the video's own verdicts of those of its tracks, both by `sampling.rule`. `trusted` is
        whether the video's verdicts are bona fide, and None, with a reason, when there was no face to
        judge; by every rule but the published one it is false when any track is at its card's threshold or
        over it. One frame is in memory at a time. Limits are those of `facetrust.imaging.video`: 2 GiB,
        frames of 8K, 108,000 frames.

        Args:
            path: a video, or a picture of several frames or pages, by its content.
            source: what the report calls it; the path if nothing.
            draw: called with the name and the pixels of an overlay of each track's most telling frame,
                `<source>.track-<n>.evidence.png`, with a panel per task about faces.
            show: called with that frame itself, with maps if there is also `draw`.
            name: makes the file name of an overlay of a source's.
            progress: called with (frames judged, of how many).

        Raises:
            ImageError: not a video, cut off, without a frame, or past a limit.
        """
        start = time.perf_counter()
        timing = timing_of(path, longest=self._sampling.longest)
        indices = sampled(timing, self._sampling)
        tracked = TrackedFaces(self._models, self._detector, joined=not timing.paged, search=self._search)
        tracked.spent("decode", start)
        self._track(path, indices, timing.times, tracked=tracked, progress=progress or _silent)
        faces = tuple(self.face_of(number, track) for number, track in tracked.tracks.items())
        source = source or str(path)
        if faces and (draw is not None or show is not None):
            start = time.perf_counter()
            tracks = zip(faces, tracked.tracks.values(), strict=True)
            for scene in self._scenes(path, tracks, maps=draw is not None):
                if show is not None:
                    show(scene)
                if draw is not None:
                    overlaid = overlay(scene.image, scene.faces, scene.maps)
                    draw(name(f"{Path(source).stem}.track-{scene.track}.frame"), overlaid)
            tracked.spent("evidence", start)
        watched = VideoSummary(
            seconds=round(timing.end, _DIGITS),
            per_second=round(len(timing.times) / timing.end, _DIGITS),
            frames=len(timing.times),
            sampled=len(indices),
            rule=self.rule_name,
        )
        return self.report_of(tracked, faces, source=source, watched=watched)

    def report_of(
        self, tracked: TrackedFaces, faces: tuple[Face, ...], *, source: str, watched: VideoSummary
    ) -> CheckReport:
        """Returns what is to be said of what was gathered, of these of its tracks."""
        verdicts = tuple(self._verdicts(tracked, faces))
        lacking = None
        if self._detector is not None:
            lacking = lacking_faces(len(faces), tracked.left_out) or reason_of(faces)
        trusted, reason = trust(verdicts, lacking=lacking, unproven=reason_of(faces, advisory=True))
        return CheckReport(
            source=source,
            kind="video",
            size=tracked.size,
            trusted=trusted,
            reason=reason,
            verdicts=verdicts,
            faces=faces,
            left_out=tracked.left_out,
            timings=tracked.timings,
            watched=watched,
            quality_gate=self._gate,
        )

    def _track(
        self,
        path: str | Path,
        indices: Sequence[int],
        times: NDArray[np.float64],
        *,
        tracked: TrackedFaces,
        progress: Progress,
    ) -> None:
        """Adds each frame at `indices` to `tracked`."""
        start = time.perf_counter()
        for index, image in iter_frames(path, indices):
            if min(image.shape[:2]) < MIN_SIDE:
                wide, tall = image.shape[1], image.shape[0]
                raise ImageError(f"{path}: {wide}x{tall} pixels; at least {MIN_SIDE} a side are needed")
            tracked.spent("decode", start)
            tracked.add_frame(image, index, at=float(times[index]))
            del image  # Before the next one is decoded.
            progress(len(tracked.times), len(indices))
            start = time.perf_counter()

    def face_of(self, number: int, track: Track) -> Face:
        """Returns a track as it is reported, without models that do not judge faces of its median quality."""
        quality = median_quality(track.qualities)
        refused = not_judged(quality, self._models) if self._gate else ()
        silent = {each.task for each in refused}
        of_tasks = {task: scores for task, scores in track.scores.items() if task not in silent}
        others = {task: answer for task, answer in track.others.items() if task not in silent}
        timeline = Timeline(
            first=round(track.times[0], _DIGITS),
            last=round(track.times[-1], _DIGITS),
            telling=round(track.telling.time, _DIGITS),
            scored=len(track.times),
            times=tuple(round(each, _DIGITS) for each in track.times),
            scores={task: tuple(scores) for task, scores in of_tasks.items()},
        )
        fused = {task: self._rule.of_track(scores, track.times) for task, scores in of_tasks.items()}
        values: dict[str, Any] = {**fused, **others}
        judged = [self._models[task].judge(value) for task, value in values.items()]
        said = {"track": number, "timeline": timeline, "quality": quality, "not_judged": refused}
        return track.telling.face.model_copy(update={**said, **by_kind(judged)})

    def _verdicts(self, tracked: TrackedFaces, faces: Sequence[Face]) -> Iterator[Verdict]:
        """The video's own: of its tracks, or of the frames as one track where a task is about the picture."""
        for task, model in self._models.items():
            if model.task.output != "score":
                continue
            if task in tracked.whole:
                whole = [float(each) for each in tracked.whole[task]]
                score = self._rule.of_track(whole, tracked.times)
            elif of_tracks := [each.score for face in faces for each in face.verdicts if each.task == task]:
                score = self._rule.of_video(of_tracks)
            else:
                continue
            yield cast(Verdict, model.judge(score))

    def _scenes(
        self, path: str | Path, tracks: Iterable[tuple[Face, Track]], *, maps: bool
    ) -> Iterator[Scene]:
        """Each track's telling frame, which is read again, so that none is kept."""
        wanted: dict[int, list[tuple[Face, Track]]] = {}
        for face, track in tracks:
            wanted.setdefault(track.telling.frame, []).append((face, track))
        for index, image in iter_frames(path, wanted):
            for face, track in wanted[index]:
                upright = quarter_turn(image, track.telling.turns) if track.telling.turns else image
                shown = track.telling.upright.model_copy(
                    update={"verdicts": face.verdicts, "not_judged": face.not_judged}
                )
                heats = list(self._maps(upright, shown)) if maps else []
                yield Scene(upright, [shown], heats, face.track, track.telling.turns)

    def _maps(self, image: Pixels, face: Face) -> Iterator[EvidenceMap]:
        for task, model in self._models.items():
            if model.task.unit == "face" and all(each.task != task for each in face.not_judged):
                maps = model.answer(model.crops(image, [face.box], [face.points]), evidence=True).evidence
                if maps is not None:
                    yield EvidenceMap(task, face.box, model.card.preprocessing, maps[0, 0], face.points)


def sampled(timing: Timing, sampling: Sampling) -> list[int]:
    """Returns the indices of the frames to look at, rising: those shown in the middle of equal steps of time.

    A step is one over `sampling.per_second`, or longer where that gives more than `sampling.most` frames. A
    frame that is shown for several steps counts once, so that no false time stamp can thin out the others.
    """
    count = len(timing.times)
    step = 1 / sampling.per_second
    while len(indices := _shown(timing, step)) > sampling.most:
        step *= max(len(indices) / sampling.most, 1.01)
    return [int(index) for index in indices] or [count // 2]


def _shown(timing: Timing, step: float) -> NDArray[np.intp]:
    """The frames before whose end comes the middle of a step that had not come before their beginning."""
    begun = np.ceil(np.append(timing.times, timing.end) / step - 0.5 - _CLOSE)
    return np.flatnonzero(np.diff(begun) > 0)


def _silent(done: int, total: int) -> None:
    """Shows no progress."""
