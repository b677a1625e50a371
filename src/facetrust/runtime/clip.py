"""Checks videos: faces are followed through evenly spaced frames, and their scores become verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from facetrust.errors import ImageError, UsageError
from facetrust.imaging import MIN_SIDE, Pixels, quarter_turn
from facetrust.records import DECISIONS, CheckReport, Face, TaskName, Timeline, Verdict, Watched
from facetrust.rules import ROBUST, rule_named
from facetrust.runtime._asked import DEFAULT_TASKS, FACE_TASKS, Given, detector_for, models_for
from facetrust.runtime._header import frames_a_second
from facetrust.runtime._seen import Seen, Track
from facetrust.runtime.detector import Detector
from facetrust.runtime.evidence import Heat, draw, free_name
from facetrust.runtime.session import Model
from facetrust.runtime.tracks import GAP
from facetrust.runtime.verdicts import NO_FACE, verdict
from facetrust.video import frame_count, iter_frames

_DIGITS = 3  # Of a time in seconds, as it is reported.

Progress = Callable[[int, int], None]


class Viewing(NamedTuple):
    """How a video is looked at: frames a second, the most frames in all, and the rule of its score.

    A video too long for `most` is looked at more thinly; the frames stay evenly spaced. The rules are
    those of `facetrust.rules.rule_named`.
    """

    per_second: float = 4.0
    most: int = 120
    rule: str = ROBUST


VIEWING = Viewing()


def check_clip(
    path: str | Path,
    tasks: Sequence[TaskName] = DEFAULT_TASKS,
    *,
    models: Given | None = None,
    detector: Detector | str | Path | None = None,
    evidence: str | Path | None = None,
    threads: int = 1,
    viewing: Viewing = VIEWING,
    progress: Progress | None = None,
) -> CheckReport:
    """Returns what is to be said of one video; its `faces` are tracks, in the order of their appearance.

    A frame is looked at as a picture is, but only likely faces count. A track's verdicts are made of its
    scores, the video's own verdicts of those of its tracks, both by `viewing.rule`. `trusted` is whether
    the video's verdicts are bona fide, and None, with a reason, when there was no face to judge; by every
    rule but the published one it is false when any track is at its card's threshold or over it.
    One frame is in memory at a time. Limits are those of `facetrust.video`: 2 GiB, frames of 8K, 108,000
    frames.

    Args:
        path: AVI, MOV, MP4, MKV or WebM, by its content.
        tasks: what is asked, as are `models`, `detector` and `threads`: see `check`.
        evidence: folder for an overlay of each track's most telling frame with the track's verdicts,
            `<name>.track-<n>.evidence.png`, with a panel per task about faces.
        viewing: which frames are looked at, and how many scores become one.
        progress: called with (frames judged, of how many).

    Raises:
        ImageError: not a video, cut off, without a frame, or past a limit.
        UsageError: a task has no model, or `viewing` is out of range.
        ModelError: a model's file cannot be used.
    """
    asked = models_for(tasks, models, threads=threads)
    found = detector_for(tasks, detector, threads=threads)
    watcher = Watcher(asked, found, viewing, evidence=None if evidence is None else Path(evidence))
    return watcher.report(path, name=lambda source: free_name(source, ()), progress=progress)


class Watcher:
    """Checks videos with the models and the detector that were opened once.

    Raises:
        UsageError: `viewing` is out of range, or its rule is not known.
    """

    def __init__(
        self,
        models: Mapping[TaskName, Model],
        detector: Detector | None,
        viewing: Viewing = VIEWING,
        *,
        evidence: Path | None = None,
    ) -> None:
        if not (0 < viewing.per_second < math.inf and viewing.most >= 1):
            raise UsageError(
                f"a video needs frames a second above 0 and at least 1 in all; got {viewing.per_second} "
                f"and {viewing.most}"
            )
        self._rule = rule_named(viewing.rule)
        self._models = models
        self._detector = detector
        self._viewing = viewing
        self._evidence = evidence

    def report(
        self, path: str | Path, *, name: Callable[[str], str], progress: Progress | None = None
    ) -> CheckReport:
        """Returns the report of one video; `name` makes the file name of an overlay of a source's.

        Raises:
            ImageError: as `check_clip`.
        """
        start = time.perf_counter()
        count = frame_count(path)
        rate = frames_a_second(path, count)
        indices = sampled(count, count / rate, self._viewing)
        # Where frames are looked at seldom, one miss must not end a track.
        seen = Seen(self._models, self._detector, gap=max(GAP, 2 * count / rate / len(indices)))
        seen.spent("decode", start)
        self._watch(path, indices, rate, seen=seen, progress=progress or _silent)
        faces = tuple(self._face(number, track) for number, track in seen.tracks.items())
        if self._evidence is not None and faces:
            start = time.perf_counter()
            self._draw(path, zip(faces, seen.tracks.values(), strict=True), self._evidence, name=name)
            seen.spent("evidence", start)
        verdicts = tuple(self._verdicts(seen, faces))
        trusted: bool | None = all(each.decision == DECISIONS[each.task][0] for each in verdicts)
        lacking = self._detector is not None and not faces
        return CheckReport(
            source=str(path),
            kind="video",
            size=seen.size,
            trusted=None if lacking and trusted else trusted,
            reason=NO_FACE if lacking else None,
            verdicts=verdicts,
            faces=faces,
            timings=seen.timings,
            watched=Watched(
                seconds=round(count / rate, _DIGITS),
                per_second=rate,
                frames=count,
                sampled=len(indices),
                rule=self._viewing.rule,
            ),
        )

    def _watch(
        self, path: str | Path, indices: Sequence[int], rate: float, *, seen: Seen, progress: Progress
    ) -> None:
        """Shows each frame at `indices` to `seen`."""
        start = time.perf_counter()
        for index, image in iter_frames(path, indices):
            if min(image.shape[:2]) < MIN_SIDE:
                wide, tall = image.shape[1], image.shape[0]
                raise ImageError(f"{path}: {wide}x{tall} pixels; at least {MIN_SIDE} a side are needed")
            seen.spent("decode", start)
            seen.look(image, index, at=index / rate)
            del image  # Before the next one is decoded.
            progress(seen.frames, len(indices))
            start = time.perf_counter()

    def _face(self, number: int, track: Track) -> Face:
        """A track as it is reported."""
        timeline = Timeline(
            first=round(track.times[0], _DIGITS),
            last=round(track.times[-1], _DIGITS),
            telling=round(track.telling.time, _DIGITS),
            scored=len(track.times),
            times=tuple(round(each, _DIGITS) for each in track.times),
            scores={task: tuple(scores) for task, scores in track.scores.items()},
        )
        verdicts = tuple(
            verdict(task, self._rule.of_track(scores), self._models[task])
            for task, scores in track.scores.items()
        )
        return track.telling.face.model_copy(
            update={"track": number, "verdicts": verdicts, "timeline": timeline}
        )

    def _verdicts(self, seen: Seen, faces: Sequence[Face]) -> Iterator[Verdict]:
        """The video's own: of its tracks, or of the frames as one track where a task is about the picture."""
        for task, model in self._models.items():
            if task in seen.whole:
                yield verdict(task, self._rule.of_track(seen.whole[task]), model)
            elif faces:
                of_tracks = [each.score for face in faces for each in face.verdicts if each.task == task]
                yield verdict(task, self._rule.of_video(of_tracks), model)

    def _draw(
        self,
        path: str | Path,
        tracks: Iterable[tuple[Face, Track]],
        folder: Path,
        *,
        name: Callable[[str], str],
    ) -> None:
        """Writes the overlay of each track's telling frame, which is read again, so that none is kept."""
        wanted: dict[int, list[tuple[Face, Track]]] = {}
        for face, track in tracks:
            wanted.setdefault(track.telling.frame, []).append((face, track))
        for index, image in iter_frames(path, wanted):
            for face, track in wanted[index]:
                upright = quarter_turn(image, track.telling.turns) if track.telling.turns else image
                shown = track.telling.upright.model_copy(update={"verdicts": face.verdicts})
                file = folder / name(f"{Path(path).stem}.track-{face.track}.frame")
                draw(file, upright, [shown], list(self._heats(upright, shown)))

    def _heats(self, image: Pixels, face: Face) -> Iterator[Heat]:
        for task in (task for task in self._models if task in FACE_TASKS):
            maps = self._models[task].score_with_evidence(image, [face.box]).evidence
            if maps is not None:
                yield Heat(task, face.box, self._models[task].card.preprocessing, maps[0, 0])


def sampled(count: int, seconds: float, viewing: Viewing) -> list[int]:
    """Returns the indices of the frames to look at: the middles of equal parts of `count` frames, rising."""
    wanted = min(count, viewing.most, max(1, math.ceil(seconds * viewing.per_second)))
    return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]


def _silent(done: int, total: int) -> None:
    """Tells nobody."""
