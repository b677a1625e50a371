"""A camera, frame by frame: faces are followed, and their scores of the last seconds become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from facetrust.faces.detector import Detector, Search
from facetrust.imaging import Pixels
from facetrust.records import CheckReport, Face, VideoSummary
from facetrust.runtime._tracked import Gathered, Track, TrackedFaces
from facetrust.runtime.model import Model
from facetrust.runtime.videos import VideoChecker

WINDOW = 3.0  # Seconds that count for a verdict.
SOURCE = "<camera>"


class LiveState(NamedTuple):
    """What a camera's frames have left behind: their number, and the tracks with their scores."""

    frames: int
    gathered: Gathered


class Live:
    """Judges frames as they come, by the tracks and the rule that videos are judged by.

    What was seen more than `WINDOW` seconds ago counts no more and is let go, so that a camera may run for
    days. Comes from `Checker.live`; one camera's, and for one thread at a time. What it knows is `state`,
    which holds no model and no frame: another `Live` goes on from it, also in another process.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        detector: Detector | None,
        videos: VideoChecker,
        search: Search,
        state: LiveState | None = None,
    ) -> None:
        self._frames, gathered = state or (0, None)
        self._tracked = TrackedFaces(models, detector, search=search, gathered=gathered)
        self._videos = videos

    @property
    def state(self) -> LiveState:
        """What the frames so far have left behind."""
        return LiveState(self._frames, self._tracked.gathered)

    def see(self, image: Pixels, at: float) -> CheckReport:
        """Returns what is to be said of the faces that are seen now.

        Each has the number of its track, its box and points in this frame, and verdicts from its scores of
        the last seconds. `timings` are those of this frame; `watched` tells of the frames that count.

        Args:
            image: (H, W, 3) uint8 RGB.
            at: seconds since any moment, rising from frame to frame.
        """
        tracked = self._tracked
        tracked.forget_before(at - WINDOW)
        tracked.timings, tracked.left_out = {}, 0
        tracked.add_frame(image, self._frames, at=at)
        self._frames += 1
        present = {number: track for number, track in tracked.tracks.items() if track.last.time == at}
        faces = tuple(self._face(number, track) for number, track in present.items())
        span = at - tracked.times[0]
        count = len(tracked.times)
        watched = VideoSummary(
            seconds=round(span, 3),
            per_second=round((count - 1) / span, 3) if span else 0.0,
            frames=count,
            sampled=count,
            rule=self._videos.rule_name,
        )
        return self._videos.report_of(tracked, faces, source=SOURCE, watched=watched)

    def _face(self, number: int, track: Track) -> Face:
        """A track as a video reports it, but where it is now."""
        now = track.last.face
        place = {"box": now.box, "points": now.points, "confidence": now.confidence}
        return self._videos.face_of(number, track).model_copy(update=place)
